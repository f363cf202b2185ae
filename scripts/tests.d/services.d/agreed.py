"""What the guest's drivers have agreed on with the services: clock, heartbeat, keyboard, values, addresses."""
import time

from guest import eventually, expect, Failure


def versions(guest):
    said = guest.shell("dmesg")
    for service, version in ("Shutdown", "3.2"), ("TimeSync", "4.0"), ("Heartbeat", "3.0"):
        expect(f"{service} IC version {version}" in said, f"Linux does not say that it has agreed on {service} {version}")


def difference(guest):
    """By how much the guest's clock is ahead of the host's, seconds."""
    return int(guest.shell("date +%s")) - time.time()


def clock_at_start(guest):
    # The guest's is in whole seconds.
    eventually(lambda: abs(difference(guest) + 0.5) < 1.5, "the guest's clock is not the host's")


def clock_after_jump(guest):
    jump = 100_000
    time.clock_settime(time.CLOCK_REALTIME, time.time() + jump)
    try:
        eventually(lambda: abs(difference(guest) + 0.5) < 2, "the guest's clock does not follow")
    finally:
        time.clock_settime(time.CLOCK_REALTIME, time.time() - jump)


def heartbeat(guest):
    expect(guest.heartbeat() == "ok", f"the heartbeat is '{guest.heartbeat()}'")


def keyboard(guest):
    said = guest.shell("dmesg | grep -i hyperv_keyboard")
    expect("input: AT Translated Set 2 keyboard" in guest.shell("dmesg"), "Linux has found no keyboard")
    expect("error" not in said.lower() and "fail" not in said.lower(), f"Linux says of it: {said}")
    before = interrupts(guest)
    guest.ctl("key", "1e")
    eventually(lambda: interrupts(guest) > before, "no interrupt comes with a key")


def interrupts(guest):
    return int(guest.shell("cat /sys/bus/vmbus/devices/d34b2567-*/channels/*/interrupts").split()[0])


def key_values(guest):
    eventually(lambda: answered(guest, "list"), "the guest's daemon does not answer")
    values = guest.ctl("kvp", "list")["values"]
    expect(values.get("OSName", "").startswith("Debian"), f"the guest's system is {values}")
    expect(values.get("ProcessorArchitecture") == "x86_64", f"the guest's processor is {values}")
    guest.ctl("kvp", "set", "colour", "green")
    expect("colour" in guest.shell("cat /var/lib/hyperv/.kvp_pool_0"), "the guest has not got the value")
    expect(guest.ctl("kvp", "list", "external")["values"] == {"colour": "green"}, "the value is not listed")
    guest.ctl("kvp", "delete", "colour")
    expect(guest.ctl("kvp", "list", "external")["values"] == {}, "the value has not been deleted")


def answered(guest, action):
    """Nothing while the daemon starts, or is too slow."""
    try:
        return guest.ctl("kvp", action)
    except Failure:
        return None


def carrier(guest):
    return guest.shell("cat /sys/class/net/eth0/carrier").strip()


def link(guest):
    guest.shell("ip link set eth0 up")
    for state, seen in ("up", "1"), ("down", "0"), ("up", "1"):
        guest.ctl("net-link", "0", state)
        eventually(lambda: carrier(guest) == seen, f"the cable is {state}, and the guest sees the carrier '{carrier(guest)}'")


def addresses(guest):
    guest.shell("ip address add 10.0.2.15/24 dev eth0")
    eventually(lambda: answered(guest, "addresses"), "the guest's daemon does not answer")
    told = answered(guest, "addresses")
    expect("10.0.2.15" in told["addresses"] and "255.255.255.0" in told["subnets"], f"the guest says {told}")


def inspected(guest):
    tree = guest.ctl("inspect", "partitions/2")
    for vp in "0", "1":
        expect(tree["vps"][vp]["synic"]["sint 2"]["masked"] is False, f"processor {vp} has no SINT 2 for VMBus messages")
    expect(tree["connections"]["count"] > 0 and tree["ports"]["count"] > 0, "no ports, or no connections")
    channels = [node for name, node in tree["vmbus"].items() if name.startswith("channel ") and node["open"]]
    expect(len(channels) >= 6, f"only {len(channels)} channels are open")
    for channel in channels:
        for ring in "ring_to_host", "ring_to_guest":
            expect(channel[ring]["size"] >= 4096 and channel[ring]["write_index"] < channel[ring]["size"], f"a ring is {channel[ring]}")
    services = {channel["device"].get("service"): channel["device"] for channel in channels}
    expect(services["heartbeat"]["state"] == "ready" and services["heartbeat"]["answers"] > 0, f"the heartbeat is {services['heartbeat']}")
    expect(any("frames_sent" in channel["device"] for channel in channels), "no counters of a network card")
    expect(tree["sockets"]["path"] == guest.vsock, f"the sockets are {tree['sockets']}")


def no_errors(guest):
    said = guest.shell("dmesg -r | grep -E '^<[0-3]>'")
    expect(not said, f"the kernel says: {said}")
