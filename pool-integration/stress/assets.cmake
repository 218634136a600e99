# SPDX-License-Identifier: ISC
# Writes a C file with the bytes of text files: cmake -DOUTPUT=FILE.c -DINPUTS="A;B" -P assets.cmake. page.css becomes page_css[].
set(text "/* Made by assets.cmake. */\nextern const char page_css[], page_js[];\n")
foreach(input IN LISTS INPUTS)
  cmake_path(GET input FILENAME name)
  string(REPLACE "." "_" name ${name})
  file(READ ${input} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND text "const char ${name}[] = {${bytes}0};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
