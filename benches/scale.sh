#!/usr/bin/env bash
# What idnode costs by how much it holds: for each number of identifiers it imports
# them, starts anew, and resolves names that were never asked for and names that are
# asked for over and over. Prints a table (Markdown) on the standard output; talk
# goes to the standard error stream.
#
#   SCALES="1000000 10000000 100000000"   identifiers, each in a store of its own
#   SECONDS_EACH=10    seconds of each measurement of hot names
#   HOT=100000         hot names
#   COLD=200000        names that were never asked for
#   STORE_BYTES=536870912  the store's block cache (the product's default)
#   IDNODE=path        a release build of idnode; built if not given
#   KEEP=folder        keep the stores there, and take those that are there
#
# A hundred million identifiers take about 15 GB and, on two cores, an hour.
# Everything is left in a temporary folder, which is removed, as are all processes
# started.
set -euo pipefail

SCALES=${SCALES:-1000000 10000000 100000000}
SECONDS_EACH=${SECONDS_EACH:-10} HOT=${HOT:-100000} COLD=${COLD:-200000}
STORE_BYTES=${STORE_BYTES:-536870912}
HTTP=18484 DNS=15384 HANDLE=15385

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/idnode-scale.XXXXXX")
pid=

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

stop_node() {
    [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; pid=; }
}

finish() {
    stop_node
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }'; }

# start_node FOLDER: sets `started` to the seconds until it says that it is ready.
start_node() {
    local until=$((SECONDS + 600)) began
    cat >"$1/node.toml" <<END
[store]
data_dir = "$1/node"
cache_bytes = $STORE_BYTES

[http]
listen = ["127.0.0.1:$HTTP"]

[dns]
listen = ["127.0.0.1:$DNS"]

[handle]
listen = ["127.0.0.1:$HANDLE"]
END
    began=$EPOCHREALTIME
    "$IDNODE" serve --config "$1/node.toml" >>"$1/node.out" 2>>"$1/node.log" &
    pid=$!
    until IDNODE_SERVER=http://127.0.0.1:$HTTP "$IDNODE" health >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || fail "idnode ended: $(tail -5 "$1/node.log")"
        [ $SECONDS -lt $until ] || fail "idnode is not ready in time"
        sleep 0.02
    done
    started=$(since "$began")
    [ -s "$1/key" ] || (umask 077 &&
        grep -ohE 'idnode_[0-9a-z]+_[a-z2-7]+' "$1/node.out" "$1/node.log" | head -1 >"$1/key")
    export IDNODE_SERVER=http://127.0.0.1:$HTTP IDNODE_KEY_FILE=$1/key
}

bench() { "$IDNODE" -o json bench "$@" --pid "$pid" >"$work/report" || fail "$*: $(head -c 2000 "$work/report")"; }
field() { grep -o "\"$1\": *[^,}]*" "$work/report" | head -1 | sed 's/^[^:]*: *//; s/"//g'; }
short() { awk -v v="$1" 'BEGIN { printf (v >= 100 ? "%.0f" : "%.2f"), v }'; }

if [ -z "${IDNODE:-}" ]; then
    say "building idnode"
    (cd "$root" && cargo build --release --locked --quiet --bin idnode)
    IDNODE=${CARGO_TARGET_DIR:-$root/target}/release/idnode
fi
printf '| identifiers | import/s | import CPU µs | disk bytes each | start s | memory MB at start | cold DNS: /s | CPU µs | hot DNS: /s | CPU µs | gRPC, 100 a call, the first time: /s | CPU µs | again: /s | CPU µs |\n'
printf '|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n'
for count in $SCALES; do
    folder=${KEEP:-$work}/$count
    row="| $count"
    if [ -s "$folder/imported" ]; then
        row+=$(cat "$folder/imported")
    else
        mkdir -p "$folder"
        start_node "$folder"
        say "$count: importing"
        bench import --identifiers "$count"
        imported=" | $(short "$(field per_second)") | $(short "$(field cpu_us_per_request)") | $(short "$(field disk_bytes_per_identifier)")"
        printf '%s' "$imported" >"$folder/imported"
        row+=$imported
        stop_node
    fi
    start_node "$folder"
    resident=$(awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$pid/status")
    row+=" | $started | $resident"
    say "$count: resolving"
    ask=(--identifiers "$count" --existing 0.95)
    dns=(dns --dns "127.0.0.1:$DNS" "${ask[@]}")
    bench "${dns[@]}" --questions "$COLD" --requests "$COLD"
    row+=" | $(short "$(field per_second)") | $(short "$(field cpu_us_per_request)")"
    bench "${dns[@]}" --questions "$HOT" --requests "$HOT"
    bench "${dns[@]}" --questions "$HOT" --seconds "$SECONDS_EACH"
    row+=" | $(short "$(field per_second)") | $(short "$(field cpu_us_per_request)")"
    grpc=(grpc-resolve --mode batch "${ask[@]}")
    bench "${grpc[@]}" --requests "$COLD"
    row+=" | $(short "$(field per_second)") | $(short "$(field cpu_us_per_request)")"
    bench "${grpc[@]}" --requests "$COLD"
    row+=" | $(short "$(field per_second)") | $(short "$(field cpu_us_per_request)")"
    printf '%s |\n' "$row"
    stop_node
    [ -n "${KEEP:-}" ] || rm -rf "$folder"
done
