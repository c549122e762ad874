#!/usr/bin/env bash
# Compares two revisions of idnode on one machine, in turn: what a durable create
# costs, and the resolution of public values over gRPC and DNS. Prints one table
# (Markdown) on the standard output; talk goes to the standard error stream. Counted
# is the time that the node's own threads ran, by the scheduler (Linux): it is the
# same whoever else works on the machine, but for caches. AFTER's own load generator
# asks both: it must be one that registers prefixes only with the first identifier,
# or else each round counts 1200 refused calls beside its creates.
#
#   benches/cost.sh [BEFORE [AFTER]]   revisions; the first commit before rights and
#                                      audit, and the commit that is checked out
#   BEFORE_BIN=path AFTER_BIN=path     binaries in place of revisions
#   ROUNDS=40         rounds; each asks both in turn. Shown are medians and their
#                     ratio, the median of the rounds' ratios, and that of the least
#   WARM=30000        identifiers that are registered first, and not counted: until
#                     a node has the memory that it needs, the system clears it
#   CREATES=1000      identifiers that each round registers, one in a call
#   BATCHED=5000      identifiers that each round registers, 1000 in a call
#   REQUESTS=3000     requests over gRPC in each round; five times as many over DNS
#   TARGET=path       target folder of the builds, which share RocksDB
#
# Binaries are built with the dev profile at optimisation 3. Everything but the
# target folder is left in a temporary folder, which is removed, as are all
# processes started.
set -euo pipefail

BEFORE=${1:-0517143} AFTER=${2:-HEAD}
ROUNDS=${ROUNDS:-40} WARM=${WARM:-30000} CREATES=${CREATES:-1000} BATCHED=${BATCHED:-5000}
REQUESTS=${REQUESTS:-3000}
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

# threads SIDE: each thread of the node, and the nanoseconds that it has run.
threads() {
    local task
    for task in "/proc/${pid[$1]}/task/"*; do
        # A thread that waited for work in vain may end meanwhile.
        awk -v id="${task##*/}" '{ print id, $1 }' "$task/schedstat" 2>/dev/null || true
    done
}

# spent FROM TO: nanoseconds between two lists of threads. A thread that ended has
# done nothing since the first: threads end only after seconds without work.
spent() { awk 'NR == FNR { from[$1] = $2; next } { ns += $2 - from[$1] } END { printf "%.0f", ns }' "$1" "$2"; }

# One generator asks both: what it costs is not counted. Adds the microseconds of
# each of COUNT requests to the rounds.
# bench SIDE NAME COUNT WORKLOAD…
bench() {
    local side=$1 name=$2 count=$3
    shift 3
    threads "$side" >"$work/began"
    IDNODE_SERVER=http://127.0.0.1:${http[$side]} IDNODE_KEY_FILE=${key[$side]} \
        "${bin[after]}" -o json bench "$@" >"$work/$name.$side.json" ||
        fail "$side: $name: $(cat "$work/$name.$side.json")"
    threads "$side" >"$work/ended"
    awk -v ns="$(spent "$work/began" "$work/ended")" -v count="$count" \
        'BEGIN { printf "%.3f\n", ns / count / 1000 }' >>"$work/$name.$side"
}

median() { sort -g | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

least() { sort -g | head -1; }

# ratios NAME: of each round, whose two sides saw the machine most alike.
ratios() { paste "$work/$1.before" "$work/$1.after" | awk '{ printf "%.5f\n", $2 / $1 }'; }

# row NAME LABEL
row() {
    local before=$work/$1.before after=$work/$1.after
    echo "$(median <"$before") $(median <"$after") $(ratios "$1" | median) $(least <"$before") $(least <"$after")" |
        awk -v label="$2" '{ printf "| %s | %.2f | %.2f | %.3f | %.3f | %.3f |\n", label, $1, $2, $2 / $1, $3, $5 / $4 }'
}

if [ -n "${BEFORE_BIN:-}" ]; then bin[before]=$BEFORE_BIN; else build before "$BEFORE"; fi
if [ -n "${AFTER_BIN:-}" ]; then bin[after]=$AFTER_BIN; else build after "$AFTER"; fi
total=$((WARM + ROUNDS * (BATCHED + CREATES)))
at=0

# register NAME COUNT SIDES OPTION…: as many further identifiers, on each side.
register() {
    local name=$1 count=$2 sides=$3 side
    shift 3
    for side in $sides; do
        bench "$side" "$name" "$count" register --identifiers "$total" --first "$at" --requests "$count" "$@"
    done
    at=$((at + count))
}

# Both run from the beginning to the end. Whoever goes first alternates.
order() { [ $(($1 % 2)) -eq 0 ] && echo before after || echo after before; }

for side in before after; do start "$side"; done
register warm "$WARM" "before after" --batch 1000 --window 2
for round in $(seq "$ROUNDS"); do
    sides=$(order "$round")
    register create "$CREATES" "$sides"
    register batch "$BATCHED" "$sides" --batch 1000 --window 2
done
say "registered $at identifiers"
for round in $(seq 0 "$ROUNDS"); do
    # Round 0 warms up and is not counted.
    [ "$round" -gt 0 ] && counted="" || counted=warm-
    for side in $(order "$round"); do
        bench "$side" "${counted}grpc" "$REQUESTS" \
            grpc-resolve --identifiers "$total" --requests "$REQUESTS"
    done
    for side in $(order "$round"); do
        bench "$side" "${counted}dns" $((5 * REQUESTS)) dns --dns "127.0.0.1:${dns[$side]}" \
            --identifiers "$total" --requests $((5 * REQUESTS))
    done
done
printf '| CPU µs, %s rounds | before | after | ratio of medians | median of ratios | of least |\n|---|---|---|---|---|---|\n' "$ROUNDS"
row create "durable create, one in a call"
row batch "durable create, 1000 in a call"
row grpc "resolution over gRPC"
row dns "resolution over DNS"
