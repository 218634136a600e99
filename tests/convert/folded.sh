# SPDX-License-Identifier: ISC
# Folded stacks: the golden file, and the sum of all is that of the outermost spans.
. "${0%/*}/common.bash"
run 0 convert --to folded trace.evt
says '39 events, .*, folded; lost 10; 1 spans had not ended; 1 ends of spans had no begin, .*; [0-9]* events have no place in this format'
golden out trace.folded
big 3000
run 0 convert -o big.folded big.evt
equal "$(wc -l <big.folded)" 1
run 0 cat --json -q 't.span && dur > 0ns' big.evt
sed -n 's/.*"dur":\([0-9]*\).*/\1/p' out | awk -v theirs="$(sed 's/.* //' big.folded)" '
    { sum += $1 } END { print sum, theirs; exit sum - theirs > 3000 || theirs - sum > 3000 }' >sums || flop "ns in spans: $(cat sums)" # each rounded once
run 2 convert --to folded --split-size 1M -o x.folded trace.evt
finish
