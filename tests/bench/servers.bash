# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # $work and the like are tools/bench's
#
# Section 8: what tracing costs servers that we did not write. Part of tools/bench.

clients=8
value_bytes=200
distinct_keys=100000 # of redis: most of what is set takes the place of an older value
port=                # of the server that was started last,
url=                 # and what is asked of it

free_port() { # below those that the kernel gives to outgoing connections
  local candidate
  while candidate=$((18000 + RANDOM % 14000)); do
    (: <"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || break
  done
  echo "$candidate"
}

start_server() { # start_server COMMAND...: until it listens to $port
  local try
  start_target "$@" 2>"$work/server.log"
  for ((try = 0; try < 200; try++)); do
    is_running "$target" || break
    ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
    sleep 0.1
  done
  tail "$work/server.log" "$output" >&2
  die "the server does not listen: $*"
}

launch_redis() {
  port=$(free_port)
  start_server "$@" redis-server --port "$port" --bind 127.0.0.1 --save "" --dir "$work"
}

# The endpoint /steady of this service returns a list of 50 dicts. One worker, no access log.
launch_uvicorn() {
  port=$(free_port)
  url=http://127.0.0.1:$port/steady
  start_server "$@" /usr/bin/python3 -B -m uvicorn --app-dir "$root/tests/python" \
    --port "$port" --log-level warning leaky_service:app
}

launch_node() {
  port=$(free_port)
  url=http://127.0.0.1:$port/
  start_server "$@" "$(command -v node)" "$root/tests/bench/object_service.js" "$port"
}

meter_wrk() { # meter_wrk SECONDS: requests per second, 99th percentile of their time in ms
  wrk -t1 -c"$clients" -d"$1s" --latency "$url" | awk '
    function milliseconds(text) {
      if (text ~ /us$/) return text / 1000
      if (text ~ /ms$/) return text + 0
      return text ~ /m$/ ? text * 60000 : text * 1000
    }
    $1 == "99%" { slow = milliseconds($2) }
    $1 == "Requests/sec:" { rate = $2 }
    END { print rate + 0, slow + 0 }'
}

# redis-benchmark tries again for ever when the server has ended.
redis_load() { # redis_load REQUESTS: CSV, a line for each of two kinds of request
  timeout 60 redis-benchmark -p "$port" -t set,lpush -P 1 -c "$clients" -d "$value_bytes" \
    -r "$distinct_keys" -n "$1" --csv | tr -d '"' | grep -v '^test'
}

# redis-benchmark is told how many requests, not how long; so a few show how many that will be. The
# 99th percentile is that of the slower kind. What a round has left in the server goes when nobody
# watches.
meter_redis() { # meter_redis SECONDS: as meter_wrk
  local rate
  [[ -n $tracer ]] || redis-cli -p "$port" flushall >/dev/null
  rate=$(redis_load 2000 | awk -F, '{ time += 1 / $2 } END { if (time) printf "%.0f", 1 / time }')
  [[ -n $rate ]] || return 1
  redis_load $((rate * $1 + 1)) | awk -F, '
    { time += 1 / $2; if ($7 > slow) slow = $7 }
    END { print NR / time, slow }'
}

# measure_server NAME PROGRAM...: its table, if the programs are there
measure_server() {
  local name=$1 program meter=meter_wrk title
  for program in "${@:2}"; do
    command -v "$program" >/dev/null && continue
    echo "8. $name: not measured, there is no $program"
    return
  done
  case $name in
    redis)
      meter=meter_redis
      title="redis-server: SET of random keys, LPUSH"
      ;;
    uvicorn) title="uvicorn, FastAPI: a list of 50 dicts" ;;
    node) title="node: http, a list of 100 objects" ;;
  esac
  measure_workload "$name" "launch_$name" "$meter"
  print_workload "$name" "8. $title" "requests/s" "p99 ms"
}

run_servers() {
  measure_server redis redis-server redis-benchmark
  if /usr/bin/python3 -c 'import fastapi, uvicorn' 2>/dev/null; then
    measure_server uvicorn wrk
  else
    echo "8. uvicorn: not measured, /usr/bin/python3 has no fastapi and uvicorn"
  fi
  measure_server node node wrk
}
