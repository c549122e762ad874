#!/usr/bin/env bash
# Compares two revisions of idnode on one machine, in turn: what a durable create
# costs, and the resolution of public values over gRPC and DNS. Prints one table
# (Markdown) on the standard output; talk goes to the standard error stream. Counted
# is the time of the node's own threads (user and system), by its process: it is the
# same whoever else works on the machine, but for caches.
#
#   benches/cost.sh [BEFORE [AFTER]]   revisions; the first commit before rights and
#                                      audit, and the commit that is checked out
#   BEFORE_BIN=path AFTER_BIN=path     binaries in place of revisions
#   ROUNDS=7          rounds; each asks both in turn, medians are shown
#   CREATES=20000     identifiers that each round registers, one in a call
#   BATCHED=100000    identifiers that each round registers, 1000 in a call
#   REQUESTS=200000   requests over gRPC and over DNS in each round
#   TARGET=path       target folder of the builds, which share RocksDB
#
# Binaries are built with the dev profile at optimisation 3. Everything but the
# target folder is left in a temporary folder, which is removed, as are all
# processes started.
set -euo pipefail

BEFORE=${1:-0517143} AFTER=${2:-HEAD}
ROUNDS=${ROUNDS:-7} CREATES=${CREATES:-20000} BATCHED=${BATCHED:-100000} REQUESTS=${REQUESTS:-200000}
ZONE=id.example.
declare -A http=([before]=18481 [after]=18482) dns=([before]=15481 [after]=15482) pid=() bin=() key=()

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/idnode-cost.XXXXXX")
TARGET=${TARGET:-${CARGO_TARGET_DIR:-$root/target}/cost}

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

finish() {
    local one
    for one in "${pid[@]}"; do kill "$one" 2>/dev/null || true; done
    for one in "${pid[@]}"; do wait "$one" 2>/dev/null || true; done
    for one in before after; do
        [ ! -d "$work/$one.tree" ] || git -C "$root" worktree remove --force "$work/$one.tree"
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# build SIDE REVISION
build() {
    say "building $2"
    git -C "$root" worktree add --detach --quiet "$work/$1.tree" "$2"
    (cd "$work/$1.tree" && CARGO_TARGET_DIR=$TARGET CARGO_PROFILE_DEV_OPT_LEVEL=3 \
        cargo build --locked --quiet --bin idnode) || fail "$2 does not build"
    cp "$TARGET/debug/idnode" "$work/idnode.$1"
    bin[$1]=$work/idnode.$1
}

# start SIDE
start() {
    local side=$1 until=$((SECONDS + 60))
    mkdir "$work/$side"
    cat >"$work/$side.toml" <<END
[store]
data_dir = "$work/$side"

[http]
listen = ["127.0.0.1:${http[$side]}"]

[dns]
listen = ["127.0.0.1:${dns[$side]}"]
zones = ["$ZONE"]

[handle]
listen = []
END
    "${bin[$side]}" serve --config "$work/$side.toml" >"$work/$side.out" 2>"$work/$side.log" &
    pid[$side]=$!
    until IDNODE_SERVER=http://127.0.0.1:${http[$side]} "${bin[$side]}" health >/dev/null 2>&1; do
        kill -0 "${pid[$side]}" 2>/dev/null || fail "$side ended: $(tail -5 "$work/$side.log")"
        [ $SECONDS -lt $until ] || fail "$side is not ready in time"
        sleep 0.1
    done
    # The first start prints the keys once, that of the system administrator first.
    key[$side]=$work/$side.key
    (umask 077 && grep -ohE 'idnode_[0-9a-z]+_[a-z2-7]+' "$work/$side.out" "$work/$side.log" |
        head -1 >"${key[$side]}") || fail "$side printed no key"
}

# stop SIDE: and forget what it kept.
stop() {
    kill "${pid[$1]}"
    wait "${pid[$1]}" || true
    unset "pid[$1]"
    rm -r "${work:?}/$1"
}

# One generator asks both: what it costs is not counted.
# bench SIDE NAME WORKLOAD…
bench() {
    local side=$1 name=$2
    shift 2
    IDNODE_SERVER=http://127.0.0.1:${http[$side]} IDNODE_KEY_FILE=${key[$side]} \
        "${bin[before]}" -o json bench "$@" --pid "${pid[$side]}" >"$work/$name.$side.json" ||
        fail "$side: $name: $(cat "$work/$name.$side.json")"
}

# field FILE NAME: a number of a report.
field() { sed -n "s/^ *\"$2\": *\([0-9.eE+-]*\),\{0,1\}$/\1/p" "$1" | head -1; }

# keep NAME SIDE UNIT: adds what a round measured, for so many in one request.
keep() {
    local cost
    cost=$(field "$work/$1.$2.json" cpu_us_per_request)
    [ -n "$cost" ] || fail "$1 of $2 tells no cost"
    awk -v cost="$cost" -v unit="$3" 'BEGIN { print cost / unit }' >>"$work/$1.$2"
}

median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# The median of the rounds' own ratios: both sides of a round met the same machine.
ratio() { paste "$work/$1.before" "$work/$1.after" | awk '{ print $2 / $1 }' >"$work/$1.ratio"; median "$work/$1.ratio"; }

# row NAME LABEL
row() {
    printf '| %s | %.2f | %.2f | %.3f |\n' "$2" "$(median "$work/$1.before")" "$(median "$work/$1.after")" "$(ratio "$1")"
}

if [ -n "${BEFORE_BIN:-}" ]; then bin[before]=$BEFORE_BIN; else build before "$BEFORE"; fi
if [ -n "${AFTER_BIN:-}" ]; then bin[after]=$AFTER_BIN; else build after "$AFTER"; fi
for round in $(seq 0 "$ROUNDS"); do
    # Whoever goes first alternates. Round 0 warms up and is not counted.
    [ $((round % 2)) -eq 0 ] && sides="before after" || sides="after before"
    for side in $sides; do start "$side"; done
    for side in $sides; do bench "$side" create register --identifiers "$CREATES"; done
    for side in $sides; do
        stop "$side"
        start "$side"
    done
    for side in $sides; do bench "$side" batch register --identifiers "$BATCHED" --batch 1000 --window 2; done
    for side in $sides; do bench "$side" grpc grpc-resolve --identifiers "$BATCHED" --requests "$REQUESTS"; done
    for side in $sides; do
        bench "$side" dns dns --dns "127.0.0.1:${dns[$side]}" --identifiers "$BATCHED" --requests "$REQUESTS"
    done
    for side in $sides; do stop "$side"; done
    [ "$round" -gt 0 ] || continue
    for side in before after; do
        keep create "$side" 1
        keep batch "$side" 1
        keep grpc "$side" 1
        keep dns "$side" 1
    done
    say "round $round: create $(tail -1 "$work/create.before") and $(tail -1 "$work/create.after") µs," \
        "in batches $(tail -1 "$work/batch.before") and $(tail -1 "$work/batch.after") µs," \
        "gRPC $(tail -1 "$work/grpc.before") and $(tail -1 "$work/grpc.after") µs," \
        "DNS $(tail -1 "$work/dns.before") and $(tail -1 "$work/dns.after") µs"
done
printf '| CPU µs, medians of %s rounds | before | after | ratio |\n|---|---|---|---|\n' "$ROUNDS"
row create "durable create, one in a call"
row batch "durable create, 1000 in a call"
row grpc "resolution over gRPC"
row dns "resolution over DNS"
