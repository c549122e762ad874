#!/usr/bin/env bash
# Compares traces of idnode with recursive queries of PostgreSQL: the same graph of
# a supply chain, the same questions, in turn, on one machine; first it compares
# what both find, start by start. Prints tables (Markdown) on the standard output;
# talk goes to the standard error stream.
#
#   NODES=1000000   identifiers of the graph (also 3630000)
#   ROUNDS=3        rounds; each asks both in turn, medians are shown
#   SETS="bom …"    which questions; all if not given
#   IDNODE=path     a release build of idnode; built if not given
#   GRAPH_BYTES=1073741824  memory that idnode's graph may take
#   KEPT_BYTES=268435456  memory that answers may take that are kept (0: none are)
#   STORED=1        also with no graph in memory (0: not)
#   WRITES=5000     links a second that are stated beside traces (0: not)
#   CORES=1         where each server and its client run while they are timed, the last core
#                   if not given (the first has most interrupts); 0-1: anywhere on two
#
# PostgreSQL has covering indexes in both directions, 1 GiB of shared buffers and no
# just-in-time compiler, which would cost more than it gains here. Its times are
# those that psql tells: from a prepared query sent to the last row received; idnode's
# are from the call to the last row read. Both send over loopback or less. PostgreSQL is
# asked in three ways: for the numbers of nodes, its least, for their identifiers, and for
# identifiers with depths, which are most of what idnode answers (parents and terms too); a
# recursive query with depths expands a node once for each depth that it has. idnode's client
# reads the numbers out of the identifiers' suffixes, where they lie, and passes over the rest;
# psql copies each field. idnode is asked again, when answers are kept that fit, and anew, when
# none are.
#
# Server and client take turns. On one core a call costs what both do; on two it costs
# besides what it takes to wake another core, twice, which on a virtual machine is tens of
# microseconds that change from hour to hour.
#
# Needs root for apt-get, if PostgreSQL is not installed. Everything else is left in
# a temporary folder, which is removed, as are all processes started.
set -euo pipefail

NODES=${NODES:-1000000} ROUNDS=${ROUNDS:-3} STORED=${STORED:-1} WRITES=${WRITES:-5000}
SETS=${SETS:-bom where-used lots lots-window lots-grouped batches pallets hottest}
GRAPH_BYTES=${GRAPH_BYTES:-1073741824} KEPT_BYTES=${KEPT_BYTES:-268435456}
CORES=${CORES:-$(taskset -pc $$ | sed 's/.*[:, -]//')}
FORMS="numbers named depths"
ALL_CORES=$(taskset -pc $$ | sed 's/.*: //')
WRITE_SETS="bom where-used lots"
HTTP=18483

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/idnode-trace.XXXXXX")
pid= pg=

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

stop_node() {
    [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; pid=; }
}

finish() {
    stop_node
    [ -z "$pg" ] || as_postgres "$pg/pg_ctl" -D "$work/pg" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Runs a command as a user that PostgreSQL accepts: it does not run as root.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

find_postgres() {
    pg=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
    [ -z "$pg" ] || return 0
    [ "$(id -u)" -eq 0 ] || fail "PostgreSQL is not installed, and only root can: apt-get install postgresql"
    say "installing postgresql"
    # The package would make and start a cluster of its own.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql </dev/null >&2
    pg=$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -1)
}

# on_cores PID: a process, and what it starts from now on.
on_cores() { taskset -apc "$CORES" "$1" >/dev/null; }

sql() { as_postgres "$pg/psql" -h "$work/socket" -d postgres -XAtq -v ON_ERROR_STOP=1 "$@"; }

start_postgres() {
    mkdir "$work/pg" "$work/socket"
    chmod 755 "$work"
    [ "$(id -u)" -ne 0 ] || chown postgres "$work/pg" "$work/socket"
    as_postgres "$pg/initdb" -D "$work/pg" -A trust -E UTF8 --locale=C >/dev/null
    as_postgres "$pg/pg_ctl" -D "$work/pg" -w -l "$work/pg/log" start -o "-c listen_addresses='' \
        -c unix_socket_directories=$work/socket -c shared_buffers=1GB -c work_mem=256MB \
        -c maintenance_work_mem=512MB -c max_wal_size=8GB -c jit=off" >/dev/null
}

load_postgres() {
    local began=$EPOCHREALTIME
    sql <<END
CREATE TABLE edges (input int NOT NULL, output int NOT NULL, day int NOT NULL);
CREATE TABLE nodes (node int NOT NULL, prefix text NOT NULL);
\\copy edges FROM '$work/chain/edges.tsv'
\\copy nodes FROM '$work/chain/nodes.tsv'
CREATE UNIQUE INDEX down ON edges (input, output) INCLUDE (day);
CREATE UNIQUE INDEX up ON edges (output, input) INCLUDE (day);
ALTER TABLE nodes ADD COLUMN identifier text;
UPDATE nodes SET identifier = prefix || '/' || lpad(node::text, 9, '0');
ALTER TABLE nodes ADD PRIMARY KEY (node) INCLUDE (prefix, identifier);
VACUUM FULL nodes;
VACUUM ANALYZE edges;
VACUUM ANALYZE nodes;
END
    pg_seconds=$(since "$began")
    pg_bytes=$(sql -c "SELECT round(pg_total_relation_size('edges')::numeric / count(*), 1) FROM edges")
}

since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'; }

# closure SET [depths]: what PostgreSQL is asked for one start, $1.
closure() {
    local near=input far=output when= depth= first= next=
    case $1 in bom | pallets) near=output far=input ;; esac
    [ "$1" != lots-window ] || when=" AND e.day < 500"
    [ -z "${2:-}" ] || depth=", depth" first=", 0" next=", c.depth + 1"
    printf 'WITH RECURSIVE c(node%s) AS (SELECT $1::int%s UNION SELECT e.%s%s FROM c JOIN edges e ON e.%s = c.node%s)' \
        "$depth" "$first" "$far" "$next" "$near" "$when"
}

select_of() {
    case $1 in
        lots-grouped) echo "SELECT prefix, count(*) FROM c JOIN nodes USING (node) GROUP BY prefix" ;;
        *) echo "SELECT node FROM c" ;;
    esac
}

# What it finds for each start, as idnode's benchmark writes it.
digests() {
    local text="string_agg(node::text, ',' ORDER BY node)" from=c
    if [ "$1" = lots-grouped ]; then
        text="string_agg(prefix || '=' || n, ',' ORDER BY prefix || '=' || n)"
        from="(SELECT prefix, count(*) AS n FROM c JOIN nodes USING (node) GROUP BY prefix) g"
    fi
    {
        echo "PREPARE q(int) AS $(closure "$1") SELECT \$1 || ' ' || count(*) || ' ' || encode(sha256(($text)::bytea), 'hex') FROM $from;"
        sed 's/.*/EXECUTE q(&);/' "$work/chain/$1.starts"
    } | sql
}

# has_form SET FORM: whether PostgreSQL is asked so.
has_form() { [ "$1" != lots-grouped ] || [ "$2" = numbers ]; }

# time_postgres SET FORM: milliseconds of each question, a line each. FORM: numbers, named,
# or depths. What is grouped is asked for in one.
time_postgres() {
    local select depths=
    select=$(select_of "$1")
    case $2 in
        named) select="SELECT identifier FROM c JOIN nodes USING (node)" ;;
        depths)
            depths=depths
            select="SELECT identifier, depth FROM (SELECT node, min(depth) AS depth FROM c GROUP BY node) d JOIN nodes USING (node)"
            ;;
    esac
    {
        # By the index, row by row: it does not know how few there are.
        [ "$2" = numbers ] || echo "SET enable_hashjoin = off; SET enable_mergejoin = off;"
        echo "PREPARE q(int) AS $(closure "$1" $depths) $select;"
        printf '\\o /dev/null\n\\timing on\n'
        sed 's/.*/EXECUTE q(&);/' "$work/chain/$1.starts"
    } | on_its_cores sql | awk '/^Time:/ { print $2 }'
}

# Runs a command where it is timed.
on_its_cores() {
    on_cores "$BASHPID" || exit
    "$@"
}

# Of milliseconds, a line each: p50 and p99 in microseconds, and questions a second.
percentiles() {
    sort -g | awk '{ v[NR] = $1; sum += $1 }
        function at(q) { i = int(NR * q); if (i < NR * q) i++; return v[i < 1 ? 1 : i] * 1000 }
        END { printf "%.1f %.1f %.4f\n", at(.5), at(.99), NR / (sum / 1000) }'
}

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# start_node GRAPH_BYTES KEPT_BYTES
start_node() {
    local until=$((SECONDS + 600))
    cat >"$work/node.toml" <<END
[store]
data_dir = "$work/node"

[http]
listen = ["127.0.0.1:$HTTP"]

[dns]
listen = []

[handle]
listen = []

[trace]
memory_bytes = $1
answer_cache_bytes = $2
END
    "$IDNODE" serve --config "$work/node.toml" >>"$work/node.out" 2>>"$work/node.log" &
    pid=$!
    until idnode health >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || fail "idnode ended: $(tail -5 "$work/node.log")"
        [ $SECONDS -lt $until ] || fail "idnode is not ready in time"
        sleep 0.1
    done
    [ -s "$work/key" ] || (umask 077 &&
        grep -ohE 'idnode_[0-9a-z]+_[a-z2-7]+' "$work/node.out" "$work/node.log" | head -1 >"$work/key")
    [ "$1" = 0 ] || until [ "$(counts in_memory)" = true ]; do
        [ $SECONDS -lt $until ] || fail "the graph is not in memory in time"
        sleep 0.5
    done
}

idnode() { IDNODE_SERVER=http://127.0.0.1:$HTTP IDNODE_KEY_FILE=$work/key "$IDNODE" "$@"; }

# How many answers that were kept the node has told.
kept_hits() {
    {
        printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        cat <&3
    } 3<>"/dev/tcp/127.0.0.1/$HTTP" | awk '/^idnode_trace_kept_hits_total / { n = $2 } END { print n + 0 }'
}

# field NAME: of the JSON on the standard input.
field() { grep -o "\"$1\": *[^,}]*" | head -1 | sed 's/^[^:]*: *//; s/"//g'; }
counts() { idnode -o json link check --counts-only | field "$1"; }

# time_node SET SIDE: one round. Adds to the files of the side.
time_node() {
    (on_its_cores idnode -o json bench chain-trace --nodes "$NODES" --set "$1" --pid "$pid") >"$work/report" ||
        fail "$1: $(cat "$work/report")"
    local name
    for name in p50_us p99_us per_second first_p50_us first_max_us cpu_us_per_request rows_p50 rows_max max_us; do
        field "$name" <"$work/report" >>"$work/$2.$1.$name"
    done
}

# time_alone SIDE SET: a set that is asked beside writes, with nothing beside and on any core.
time_alone() {
    local CORES=$ALL_CORES round
    on_cores "$pid"
    for round in $(seq "$ROUNDS"); do time_node "$2" "alone-$1"; done
}

# beside_writes SIDE: traces beside links that are stated, and alone before and after: the
# links make what is found larger. Each has all cores.
beside_writes() {
    local side=$1 set name writer
    for set in $WRITE_SETS; do
        for name in first again; do
            idnode bench chain-trace --nodes "$NODES" --set "$set" >/dev/null
        done
        time_alone "$side" "$set"
        idnode -o json bench chain-links --nodes "$NODES" --first "$first" \
            --per-second "$WRITES" --seconds 15 >"$work/written" &
        writer=$!
        sleep 1
        while kill -0 "$writer" 2>/dev/null; do
            idnode -o json bench chain-trace --nodes "$NODES" --set "$set" >"$work/report"
            kill -0 "$writer" 2>/dev/null || break
            for name in p50_us p99_us; do field "$name" <"$work/report" >>"$work/writes-$side.$set.$name"; done
        done
        wait "$writer" || fail "$(cat "$work/written")"
        first=$((first + 20 * WRITES))
        # What was kept may have ended with a change.
        for name in first again; do
            idnode bench chain-trace --nodes "$NODES" --set "$set" >/dev/null
        done
        time_alone "$side" "$set"
        printf '| %s, %s | %.0f | %.3f / %.3f | %.3f / %.3f | %s | %s of %s |\n' \
            "$set" "$side" "$(field per_second <"$work/written")" \
            "$(millis "alone-$side.$set.p50_us")" "$(millis "alone-$side.$set.p99_us")" \
            "$(millis "writes-$side.$set.p50_us")" "$(millis "writes-$side.$set.p99_us")" \
            "$(ratio "$(of "writes-$side.$set.p99_us")" "$(of "alone-$side.$set.p99_us")")" \
            "$(field missed <"$work/written")" "$(field looked <"$work/written")"
    done
}

millis() { awk -v v="$(of "$1")" 'BEGIN { print v / 1000 }'; }

of() { median <"$work/$1"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a / b }'; }

table() {
    local side=$1 set form p50 p99 rate
    printf '\n| %s | rows p50 / most | PostgreSQL, numbers p50 / p99 ms | identifiers | with depths | idnode p50 / p99 ms | first row p50 ms | idnode CPU µs | rate: times PostgreSQL, numbers | identifiers | with depths |\n|---|---|---|---|---|---|---|---|---|---|---|\n' "$2"
    for set in $SETS; do
        printf '| %s | %s / %s |' "$set" "$(of "$side.$set.rows_p50")" "$(of "$side.$set.rows_max")"
        for form in $FORMS; do
            if ! has_form "$set" "$form"; then printf ' – |'; continue; fi
            read -r p50 p99 rate <"$work/pg.$set.$form"
            printf ' %s / %s |' "$(ratio "$p50" 1000.0)" "$(ratio "$p99" 1000.0)"
        done
        printf ' %s / %s | %s | %s |' \
            "$(awk -v v="$(of "$side.$set.p50_us")" 'BEGIN { printf "%.3f", v / 1000 }')" \
            "$(awk -v v="$(of "$side.$set.p99_us")" 'BEGIN { printf "%.3f", v / 1000 }')" \
            "$(awk -v v="$(of "$side.$set.first_p50_us")" 'BEGIN { printf "%.3f", v / 1000 }')" \
            "$(of "$side.$set.cpu_us_per_request")"
        for form in $FORMS; do
            if ! has_form "$set" "$form"; then printf ' – |'; continue; fi
            read -r p50 p99 rate <"$work/pg.$set.$form"
            printf ' %s |' "$(ratio "$(of "$side.$set.per_second")" "$rate")"
        done
        printf '\n'
    done
}

taskset -c "$CORES" true || fail "CORES=$CORES: of cores $ALL_CORES, no process may run there"
find_postgres
if [ -z "${IDNODE:-}" ]; then
    say "building idnode"
    (cd "$root" && cargo build --release --locked --quiet --bin idnode)
    IDNODE=${CARGO_TARGET_DIR:-$root/target}/release/idnode
fi
mkdir "$work/chain"
"$IDNODE" bench chain-files --nodes "$NODES" --output "$work/chain" >&2
say "loading PostgreSQL"
start_postgres
load_postgres
say "loading idnode"
start_node "$GRAPH_BYTES" "$KEPT_BYTES"
idnode -o json bench chain-load --nodes "$NODES" >"$work/loaded" || fail "$(cat "$work/loaded")"
links=$(field links <"$work/loaded")
printf '| loaded | links | seconds | disk bytes/link |\n|---|---|---|---|\n'
printf '| PostgreSQL, with indexes | %s | %s | %s |\n' "$(wc -l <"$work/chain/edges.tsv")" "$pg_seconds" "$pg_bytes"
printf '| idnode, with records of links, audit trail and Merkle tree | %s | %.1f | %.1f |\n' "$links" \
    "$(field seconds <"$work/loaded")" "$(field disk_bytes_per_link <"$work/loaded")"
began=$EPOCHREALTIME
stop_node
start_node "$GRAPH_BYTES" "$KEPT_BYTES"
ready=$(since "$began")
began=$EPOCHREALTIME
idnode --timeout 20m link check >/dev/null || fail "links, lists and the graph in memory do not agree"
checked=$(since "$began")
printf '\nStart until the graph is in memory, with a stop before: %s s; all of it compared with the store in %s s. In memory: %s bytes for %s links of %s identifiers.\n' \
    "$ready" "$checked" "$(counts memory_bytes)" "$(counts memory_link_count)" "$(counts identifier_count)"

say "comparing what both find"
for set in $SETS; do
    digests "$set" >"$work/pg.digests"
    # Anew, anew to be kept, and what was kept then.
    for time in first again kept; do
        hits=$(kept_hits)
        idnode bench chain-trace --nodes "$NODES" --set "$set" --digests "$work/node.digests" >/dev/null
        cmp -s "$work/pg.digests" "$work/node.digests" ||
            fail "$set, $time, differs: $(diff "$work/pg.digests" "$work/node.digests" | head -4)"
    done
    say "$set: $(wc -l <"$work/pg.digests") starts, all equal; $(($(kept_hits) - hits)) of the last were kept"
done
[ "$KEPT_BYTES" = 0 ] || [ "$(kept_hits)" -gt 0 ] || fail "no answer was kept"
on_cores "$(head -1 "$work/pg/postmaster.pid")"
on_cores "$pid"
for round in $(seq "$ROUNDS"); do
    for set in $SETS; do
        say "round $round: $set"
        for form in $FORMS; do
            ! has_form "$set" "$form" || time_postgres "$set" "$form" >>"$work/times.$set.$form"
        done
        # What was kept of this set may have given way to others; an answer is kept the
        # second time.
        for time in first again; do
            idnode bench chain-trace --nodes "$NODES" --set "$set" >/dev/null
        done
        time_node "$set" kept
    done
done
stop_node
start_node "$GRAPH_BYTES" 0
on_cores "$pid"
for round in $(seq "$ROUNDS"); do
    for set in $SETS; do time_node "$set" memory; done
done
for set in $SETS; do
    for form in $FORMS; do
        ! has_form "$set" "$form" || percentiles <"$work/times.$set.$form" >"$work/pg.$set.$form"
    done
done
table memory "graph in memory, $NODES identifiers, each trace walked"
table kept "asked again and again, answers kept up to $KEPT_BYTES bytes"

if [ "$WRITES" -gt 0 ]; then
    say "traces beside $WRITES links a second"
    first=0
    printf '\n| beside links that are stated | links a second | alone: p50 / p99 ms | beside: p50 / p99 ms | times the p99 | missed an acknowledged link |\n|---|---|---|---|---|---|\n'
    for side in walked kept; do
        stop_node
        case $side in walked) start_node "$GRAPH_BYTES" 0 ;; kept) start_node "$GRAPH_BYTES" "$KEPT_BYTES" ;; esac
        beside_writes "$side"
    done
fi

if [ "$STORED" != 0 ]; then
    say "without the graph in memory"
    stop_node
    start_node 0 0
    # PostgreSQL had read all of it when it was compared.
    for set in $SETS; do idnode bench chain-trace --nodes "$NODES" --set "$set" >/dev/null; done
    on_cores "$pid"
    for round in $(seq "$ROUNDS"); do
        for set in $SETS; do time_node "$set" stored; done
    done
    table stored "lists in the store only, $NODES identifiers"
fi
