#!/usr/bin/env bash
# Resolution over gRPC beside a service that looks nothing up: tonic with the same
# codec, answers of the same kind, and the same client, in turn. Prints a table
# (Markdown) on the standard output; talk goes to the standard error stream.
#
#   IDENTIFIERS=1000000   identifiers, all of them kept once they were asked for
#   ROUNDS=5              rounds, of which the medians are printed
#   REQUESTS=1000000      identifiers asked for in each measurement (unary: a tenth)
#   IDNODE=path           a release build of idnode; built if not given
#   KEEP=folder           keep the store there, and take the one that is there
#
# Everything is left in a temporary folder, which is removed, as are all processes
# started.
set -euo pipefail

IDENTIFIERS=${IDENTIFIERS:-1000000} ROUNDS=${ROUNDS:-5} REQUESTS=${REQUESTS:-1000000}
HTTP=18494 ECHO=18495

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/idnode-grpc.XXXXXX")
folder=${KEEP:-$work}
node_pid='' echo_pid=''

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

finish() {
    for pid in $node_pid $echo_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [ -z "${IDNODE:-}" ]; then
    say "building idnode"
    (cd "$root" && cargo build --release --locked --quiet --bin idnode)
    IDNODE=${CARGO_TARGET_DIR:-$root/target}/release/idnode
fi
mkdir -p "$folder"
cat >"$work/node.toml" <<END
[store]
data_dir = "$folder/node"

[http]
listen = ["127.0.0.1:$HTTP"]

[grpc]
answer_cache_bytes = 1073741824

[dns]
listen = []

[handle]
listen = []
END
"$IDNODE" serve --config "$work/node.toml" >>"$work/node.out" 2>>"$work/node.log" &
node_pid=$!
"$IDNODE" bench grpc-echo --listen "127.0.0.1:$ECHO" >"$work/echo.log" 2>&1 &
echo_pid=$!
until IDNODE_SERVER=http://127.0.0.1:$HTTP "$IDNODE" health >/dev/null 2>&1; do
    kill -0 "$node_pid" 2>/dev/null || fail "idnode ended: $(tail -5 "$work/node.log")"
    [ $SECONDS -lt 600 ] || fail "idnode is not ready in time"
    sleep 0.1
done
[ -s "$folder/key" ] || (umask 077 &&
    grep -ohE 'idnode_[0-9a-z]+_[a-z2-7]+' "$work/node.out" "$work/node.log" | head -1 >"$folder/key")
export IDNODE_KEY_FILE=$folder/key

# ask SERVER PID MODE BATCH REQUESTS FILE: adds "requests/s CPU p50" to FILE.
ask() {
    IDNODE_SERVER=$1 "$IDNODE" -o json bench grpc-resolve --pid "$2" --mode "$3" --batch "$4" \
        --identifiers "$IDENTIFIERS" --existing 1 --requests "$5" >"$work/report" ||
        fail "$3 at $1: $(head -c 2000 "$work/report")"
    for field in per_second cpu_us_per_request p50_us; do
        grep -o "\"$field\": *[^,}]*" "$work/report" | head -1 | sed 's/^[^:]*: *//'
    done | paste -sd' ' >>"$6"
}

# median FILE FIELD
median() {
    cut -d' ' -f"$2" "$1" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

node=http://127.0.0.1:$HTTP echo=http://127.0.0.1:$ECHO
if [ ! -s "$folder/imported" ]; then
    say "importing $IDENTIFIERS"
    IDNODE_SERVER=$node "$IDNODE" bench import --identifiers "$IDENTIFIERS" >&2
    echo "$IDENTIFIERS" >"$folder/imported"
fi
say "asking for each once"
ask "$node" "$node_pid" stream 1000 "$IDENTIFIERS" "$work/first"
modes="batch:100 batch:1000 stream:100 stream:1000 unary:1"
for round in $(seq "$ROUNDS"); do
    say "round $round of $ROUNDS"
    for mode in $modes; do
        requests=$REQUESTS
        [ "$mode" != unary:1 ] || requests=$((REQUESTS / 10))
        ask "$node" "$node_pid" "${mode%:*}" "${mode#*:}" "$requests" "$work/node.$mode"
        ask "$echo" "$echo_pid" "${mode%:*}" "${mode#*:}" "$requests" "$work/echo.$mode"
    done
done
printf '| in a message | idnode: answers/s | CPU µs each | p50 µs | echo: answers/s | CPU µs each | p50 µs | CPU, echo = 1 |\n'
printf '|---|---|---|---|---|---|---|---|\n'
for mode in $modes; do
    row="| ${mode%:*}, ${mode#*:}"
    for who in node echo; do
        row+=$(printf ' | %.0f | %.2f | %.0f' "$(median "$work/$who.$mode" 1)" \
            "$(median "$work/$who.$mode" 2)" "$(median "$work/$who.$mode" 3)")
    done
    ratio=$(awk -v a="$(median "$work/node.$mode" 2)" -v b="$(median "$work/echo.$mode" 2)" \
        'BEGIN { printf "%.2f", a / b }')
    printf '%s | %s |\n' "$row" "$ratio"
done
