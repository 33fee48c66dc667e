# shellcheck shell=bash
# Phases of a long command: what happens, for how long, and on failure what, why and what to do. Source it.
# The sourcing script sets PHASES (their number) and LOGS (a folder); current_phase tells its traps where it was.
# shellcheck disable=SC2034

phase_number=0
phase_table=()
spinner=
started=$SECONDS

fail() { # WHAT WHY REMEDY
  stop_spinner
  printf '\nerror: %s\n  why:        %s\n  what to do: %s\n' "$1" "$2" "$3" >&2
  exit 1
}
stop_spinner() {
  [ -n "$spinner" ] || return 0
  kill "$spinner" 2>/dev/null || true
  wait "$spinner" 2>/dev/null || true
  spinner=
  [ ! -t 1 ] || printf '\r\033[K'
}
# Shows the last line of a log: rewritten in place on a terminal, a plain line every 20 seconds elsewhere.
watch_log() { # LOG START
  local tick=0 line width
  while sleep 0.5; do
    tick=$((tick + 1))
    line=$(tail -c 4000 "$1" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | tr -d '\033')
    if [ -t 1 ]; then
      width=$(($(tput cols 2>/dev/null || echo 100) - 14))
      printf '\r\033[K  %4ss  %.*s' "$((SECONDS - $2))" "$width" "$line"
    elif [ $((tick % 40)) = 0 ]; then
      printf '  %4ss  %.100s\n' "$((SECONDS - $2))" "$line"
    fi
  done
}
# phase TITLE REMEDY COMMAND...: runs COMMAND with its output in a log. The command stays in the foreground, so that Ctrl-C
# reaches it and sudo can ask for a password.
phase() {
  local title=$1 todo=$2 start=$SECONDS rc=0 log
  shift 2
  phase_number=$((phase_number + 1))
  current_phase=$title
  log=$LOGS/$phase_number.log
  printf '[%d/%d] %s\n' "$phase_number" "$PHASES" "$title"
  : >"$log"
  watch_log "$log" "$start" &
  spinner=$!
  set +e
  (set -e; "$@") >"$log" 2>&1  # not `|| rc=$?`: that would switch set -e off in all that COMMAND calls
  rc=$?
  set -e
  stop_spinner
  if [ "$rc" != 0 ]; then
    tail -n 25 "$log" | sed 's/^/  | /' >&2
    fail "phase $phase_number ($title) failed with status $rc" "see the lines above; the whole log is $log" "$todo"
  fi
  phase_table+=("$(printf '%-58s %5d s' "$title" $((SECONDS - start)))")
  printf '      done in %d s\n' $((SECONDS - start))
}
print_phases() {
  printf '\n'
  printf '  %s\n' "${phase_table[@]}"
  printf '  %-58s %5d s\n' "all" $((SECONDS - started))
}
