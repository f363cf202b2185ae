# Sourced by the levels of scripts/test: counts results, one line each, and judges what guests print.
# shellcheck shell=bash
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

logs=$project/build/test-logs
porthole=$project/build/release/porthole
passed=0 failed=0 skipped=0
mkdir -p "$logs"

ok() { echo "ok $1"; passed=$((passed + 1)); }
not_ok() { echo "not ok $1: $2"; failed=$((failed + 1)); }
skip() { echo "skip $1: $2"; skipped=$((skipped + 1)); }

# finish: the level's closing line and status.
finish()
{
    echo "$passed passed, $failed failed, $skipped skipped"
    [[ $failed -eq 0 ]]
}

# built PRESET TARGET...: builds that, quietly; ends the level, as failed, when it does not work.
built()
{
    "$project/scripts/build" "$@" > "$logs/build-$1.log" 2>&1 && return
    tail -n 30 "$logs/build-$1.log"
    not_ok "build.$1" "does not build; see above or $logs/build-$1.log"
    finish
    exit 1
}

# expect_status NAME FILE WANTED: the number that a run left in FILE.
expect_status()
{
    local status='no status: it was not run'
    [[ ! -s $2 ]] || status="status $(< "$2")"
    if [[ $status == "status $3" ]]; then ok "$1"; else not_ok "$1" "$status, not $3"; fi
}

# run_conformance STEM OPTION...: what runs the conformance program under Porthole, its output going to STEM.log and its
# status to STEM.status. `under` may be set to a command that runs Porthole's command line elsewhere.
under=()
run_conformance()
{
    local stem=$1 status=0
    shift
    "${under[@]}" timeout 300 "$porthole" run --kernel "$project/build/release/guest-tests/conformance.elf" \
        --test-devices --cpus 2 --memory 64M --serial stdio "$@" < /dev/null > "$stem.log" 2>&1 || status=$?
    echo "$status" > "$stem.status"
}

# judge_conformance NAME STEM: counts the tests of such a run. A skip must be in the list of those allowed, the closing line
# must be there and say the same, and so must the status: a guest that wrote 0 to the debug exit makes it 1.
judge_conformance()
{
    local name=$1 stem=$2 line test reason closing='' allowed=$project/guest-tests/allowed-skips.txt
    local before=$((passed + failed + skipped)) failed_before=$failed good bad omitted
    while read -r line; do
        test=${line#not }
        test=${test#* }
        test=${test%% *}
        test=${test%:}
        reason=${line#*: }
        case $line in
            'ok '*) ok "$name/$test" ;;
            'not ok '*) not_ok "$name/$test" "$reason" ;;
            'skip '*)
                if grep -q "^${test//./\\.}:" "$allowed"; then
                    skip "$name/$test" "$reason"
                else
                    not_ok "$name/$test" "skipped, and not in ${allowed#"$project/"}: $reason"
                fi ;;
            *' passed, '*' failed, '*' skipped') closing=$line ;;
        esac
    done < <(tr -d '\r' < "$stem.log")

    read -r good _ bad _ omitted _ <<< "$closing"
    if [[ -z $closing ]]; then
        tail -n 20 "$stem.log"
        not_ok "$name/end" "no closing line; status $(< "$stem.status"); see above or $stem.log"
    elif [[ $((good + bad + omitted)) -ne $((passed + failed + skipped - before)) || $good -eq 0 ]]; then
        not_ok "$name/end" "'$closing' is not what its lines say; see $stem.log"
    elif [[ $failed -eq $failed_before ]]; then
        expect_status "$name/end" "$stem.status" 1
    fi
}
