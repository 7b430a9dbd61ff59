#!/bin/sh
# Three workers of one group on this machine, a connector, and what happens when one of them is lost. Needs nothing but fastconnect with
# the extras `distributed` and `broker`; the broker is an embedded one.
#
#   sh examples/cluster/three-workers.sh
#
# BOOTSTRAP  another Kafka than the embedded one, such as localhost:9092
# PORT       of the first worker's REST API; the others have the next two
set -eu
cd "$(dirname "$0")"
port=${PORT:-8083}
log=$(mktemp -d)
pids=
broker=

end() { # whatever happens, nothing is left running
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait
    if [ -n "$broker" ]; then fastconnect broker stop; fi
}
trap end EXIT
trap 'exit 1' INT TERM

if [ -z "${BOOTSTRAP:-}" ]; then
    fastconnect broker start
    broker=started
    BOOTSTRAP=$(fastconnect broker status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["bootstrap_servers"])')
fi

urls=
for n in 0 1 2; do
    url=http://127.0.0.1:$((port + n))
    fastconnect run --distributed --worker worker.properties --bootstrap-servers "$BOOTSTRAP" --set listeners="$url" \
        2>"$log/worker-$n.log" &
    pids="$pids $!"
    first=${first:-$!}
    urls="$urls${urls:+,}$url"
done
echo "Three workers: $urls (logs in $log)"

# All three addresses: where one is away, the next is asked. It waits until they answer.
export FASTCONNECT_URL="$urls"
fastconnect create --retry-for 60 --wait --set name=example-numbers --set connector.class=SequenceSource \
    --set topic=example-numbers --set tasks.max=3 --set rate=100

now=
runs_on() { # whether all three tasks run, one of them on the worker at this port; $now is what was said of them
    now=$(fastconnect status example-numbers) || return 1
    [ "$(echo "$now" | grep -c '^task .*RUNNING')" = 3 ] && echo "$now" | grep -q "^task .*:$1"
}

# The worker that has joined last has its share, too.
until runs_on $((port + 2)); do sleep 1; done
echo "$now"

echo "The first worker is killed (kill -9) ..."
kill -9 "$first"
until runs_on $((port + 1)) && ! echo "$now" | grep -q ":$port"; do sleep 1; done
echo "... and its tasks run elsewhere:"
echo "$now"
fastconnect delete example-numbers --yes
