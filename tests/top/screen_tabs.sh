# SPDX-License-Identifier: ISC
# Tabs of one's own views: titles in full where there is room, cut to one length where there is not, and never without the one that is shown.
. "$(dirname "$0")/../cli/common.bash"
export LC_ALL=C.UTF-8 LINES=9
run 0 record -o known.evt -- "$EMITTER" -n 100
cat >views.conf <<'END'
[view pool]
entities = t.*
title = Pool
key = P
[view connections]
entities = t.*
title = Connections
[view busiest]
entities = t.*
title = Busiest connections of all
key = B
[view unicode]
entities = t.*
title = Ünïcode títle
END
tabs() { # COLUMNS [VIEW]
    COLUMNS=$1 "$EVTRAIL_COMMAND" top --once --config views.conf ${2:+--view $2} known.evt 2>err | sed -n 3p >out
    [ "$(wc -L <out)" -le "$1" ] || flop "the tabs have $(wc -L <out) columns of $1"
}
tabs 160
has '\[T Types\] S Spans .* p Processes .*P Pool  *Connections  *B Busiest connections of all  *Ünïcode títle'
tabs 80
has '\[T Types\]S R E L ! p P Pool Connections B Busiest connections of. Ünïcode títle'
tabs 84
has '\[T Types\]S R E L ! p P Pool Connections B Busiest connections of all Ünïcode títle'
tabs 60
has 'Pool *Connec.* *B Busi.*\. *Ünï.*\.'
tabs 60 connections
has '\[Connections\]'
for columns in 20 30 40 60 80; do
    tabs $columns unicode
    has '\[Ünïcode títle\]'
    tabs $columns types
    has '\[T Types\]'
done
tabs 40 pool
has '\[P Pool\]'
finish
