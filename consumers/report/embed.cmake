# SPDX-License-Identifier: ISC
# Writes a C file with the texts of the page: cmake -DOUTPUT=FILE.c "-DSCRIPTS=A.js;B.js" -DSTYLE=F.css -DPAGE=F.html
# -DFIGURE=F.css -P embed.cmake.
# The scripts become one, in a function of its own, without comments, indentation and the spaces around operators (so that no text in
# them may need a space around one).
function(bytes_of name text)
  string(HEX "${text}" hex)
  string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
  file(APPEND ${OUTPUT} "extern const char ${name}[];\nconst char ${name}[] = {${hex}0};\n")
endfunction()

file(WRITE ${OUTPUT} "/* Made by embed.cmake. */\n")
set(script "(function () {\n\"use strict\";\n")
foreach(input IN LISTS SCRIPTS)
  file(READ ${input} text)
  string(REGEX REPLACE "\n +" "\n" text "${text}")
  string(REGEX REPLACE "(^|\n)//[^\n]*" "\\1" text "${text}")
  string(REGEX REPLACE "\n\n+" "\n" text "${text}")
  string(REGEX REPLACE " (=|===|!==|[+]|[*]|/|<|>|<=|>=|&&|[|][|]|[+]=|[?]) " "\\1" text "${text}")
  string(REGEX REPLACE "([;{,])\n" "\\1" text "${text}")
  string(REGEX REPLACE "[)] {" "){" text "${text}")
  string(APPEND script "${text}")
endforeach()
string(APPEND script "})();\n")
string(REPLACE "</script" "<\\/script" script "${script}")
bytes_of(report_js "${script}")
file(READ ${STYLE} text)
bytes_of(report_css "${text}")
file(READ ${FIGURE} text)
bytes_of(figure_css "${text}")
file(READ ${PAGE} text)
bytes_of(report_html "${text}")
