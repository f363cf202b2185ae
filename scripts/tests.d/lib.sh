# Sourced by the levels of scripts/test: counts results, one line each, and judges what guests print.
# shellcheck shell=bash
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

logs=$project/build/test-logs
porthole=${PORTHOLE:-$project/build/release/porthole} # scripts/coverage has it another one
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

# says NAME LOG REGEX COMPLAINT: a line of the log matches.
says()
{
    if grep -q -E "$3" "$2"; then ok "$1"; else not_ok "$1" "$4; see $2"; fi
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
    "${under[@]}" "$project/scripts/tests.d/within" 300 "$porthole" run --kernel "$project/build/release/guest-tests/conformance.elf" \
        --test-devices --cpus 2 --memory 64M --serial stdio "$@" < /dev/null > "$stem.log" 2>&1 || status=$?
    echo "$status" > "$stem.status"
}

# judge_conformance NAME STEM: counts the tests of such a run. A skip must be in the list of those allowed, the closing line
# must be there and say the same, and so must the status: a guest that wrote 0 to the debug exit makes it 1.
judge_conformance()
{
    local name=$1 stem=$2 line test reason closing='' planned=0 allowed=$project/guest-tests/allowed-skips.txt
    local before=$((passed + failed + skipped)) failed_before=$failed good bad omitted
    while read -r line; do
        test=${line#* - }
        test=${test%% *}
        case $line in
            1..*) planned=${line#1..} ;;
            'ok '*' # SKIP '*)
                reason=${line#* # SKIP }
                if grep -q "^${test//./\\.}:" "$allowed"; then
                    skip "$name/$test" "$reason"
                else
                    not_ok "$name/$test" "skipped, and not in ${allowed#"$project/"}: $reason"
                fi ;;
            'ok '*) ok "$name/$test" ;;
            'not ok '*) not_ok "$name/$test" "${line#*: }" ;;
            '#'*) ;;
            *' passed, '*' failed, '*' skipped') closing=$line ;;
        esac
    done < <(tr -d '\r' < "$stem.log")

    read -r good _ bad _ omitted _ <<< "$closing"
    if [[ -z $closing ]]; then
        tail -n 20 "$stem.log"
        not_ok "$name/end" "no closing line; status $(< "$stem.status"); see above or $stem.log"
    elif [[ $((good + bad + omitted)) -ne $((passed + failed + skipped - before)) || $good -eq 0
            || $((good + bad + omitted)) -ne $planned ]]; then
        not_ok "$name/end" "'$closing' is not what its lines say; see $stem.log"
    elif [[ $failed -eq $failed_before ]]; then
        expect_status "$name/end" "$stem.status" 1
    fi
}

# judge_peer NAME STEM: holds what fails under another hypervisor against guest-tests/NAME-differences.txt, so that a
# deviation is either known and explained there, or a mistake of the suite.
judge_peer()
{
    local name=$1 stem=$2 known=$project/guest-tests/$1-differences.txt
    local listed failing test
    listed=$(sed -n 's/^\([^#:]*\):.*/\1/p' "$known" | sort)
    failing=$(tr -d '\r' < "$stem.log" | sed -n 's/^not ok [0-9]* - \([^ ]*\).*/\1/p' | sort)
    if ! grep -q -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$stem.log"; then
        tail -n 20 "$stem.log"
        not_ok "$name.end" "no closing line; see above or $stem.log"
        return
    fi
    ok "$name.end"
    for test in $(comm -13 <(echo "$listed") <(echo "$failing")); do
        not_ok "$name/$test" "fails there, and is not in ${known#"$project/"}; see $stem.log"
    done
    for test in $(comm -23 <(echo "$listed") <(echo "$failing")); do
        not_ok "$name/$test" "is in ${known#"$project/"} and does not fail; see $stem.log"
    done
    for test in $(comm -12 <(echo "$listed") <(echo "$failing")); do
        ok "$name/$test deviates as listed"
    done
}

# judge_checks NAME CHECK...: what a guest that checks itself left in $results, and that its kernel complained of nothing.
judge_checks() { judge_ended "$1" 0 "${@:2}"; }

# judge_ended NAME STATUS CHECK...: the same of a run that is to end with this status.
judge_ended()
{
    local name=$1 wanted=$2 log=$results/$1.log check complaint errors
    shift 2
    touch "$log"
    sed -i 's/\r$//' "$log"
    for check; do
        if grep -qx "ok $check" "$log"; then
            ok "$name.$check"
        else
            complaint=$(sed -n "s/^not ok $check: //p" "$log")
            not_ok "$name.$check" "${complaint:-was not tried}; see $log"
        fi
    done
    errors=$(grep '^error: ' "$log" | head -n 1 || true)
    [[ -z $errors ]] || not_ok "$name.no_errors" "the kernel says: ${errors#error: }; see $log"
    [[ ! -s $results/$name.status || $(< "$results/$name.status") == "$wanted" ]] || tail -n 40 "$log"
    expect_status "$name.end" "$results/$name.status" "$wanted"
}

# judge_vmbus VERSION...: what versions-run left in $results.
judge_vmbus()
{
    local version
    for version; do
        judge_checks "vmbus-$version" agreed disk network unload disk_again network_again
    done
}

# judge_debian NAME FILE: counts what debian-run printed.
judge_debian()
{
    local line check
    while read -r line; do
        check=${line#* }
        case $line in
            'ok '*) ok "$1.${check%% *} ${check#* }" ;;
            'not ok '*) check=${check#ok }; not_ok "$1.${check%%: *}" "${check#*: }" ;;
            *) echo "    $line" ;;
        esac
    done < "$2"
    says "$1.end" "$2" '^# all done' 'the checks did not come to their end'
}

# judge_soak NAME STEM COUNT: what soak-run left. Memory must not have grown by more than 256 KiB since a tenth of the time,
# nor since the third second.
judge_soak()
{
    local name=$1 stem=$2 count=$3
    says "$name.in_order" "$stem.log" "^taker\\| soak: $count messages in" 'not all messages came, in order and with their flags'
    says "$name.others" "$stem.log" '^sender\| soak: [1-9][0-9]* rounds on the other processor, [1-9][0-9]* sends' \
        'nothing went through the ports that come and go'
    if awk '{ size[NR] = $2 } END { early = int(NR / 10); if (early < 3) early = 3
            exit !(NR > early && size[NR] - size[early] <= 256) }' "$stem.memory"; then
        ok "$name.memory"
    else
        not_ok "$name.memory" "Porthole's memory grew, or was not seen; see $stem.memory"
    fi
    expect_status "$name.end" "$stem.status" 1
}
