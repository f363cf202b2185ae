/// Text to typed values, for the command line and whatever else sets the same options. Each function takes the
/// option's name for its messages and throws UserError with one line that says what to write instead.
#pragma once

#include "vmm/options/run_options.hpp"

#include <span>
#include <string_view>

namespace vmm {

/// "512M", "4G": a whole number and one of K, M, G and T. Bytes.
[[nodiscard]] std::uint64_t parse_memory(std::string_view option, std::string_view text);

/// "SIZE[,max=SIZE]": what the guest has at its start, and may come to have.
void set_memory(std::string_view option, std::string_view text, GuestOptions& guest);

/// The same for a partition's memory pool, GuestOptions::min_pool to max_pool.
[[nodiscard]] std::uint64_t parse_pool(std::string_view option, std::string_view text);

/// "partitions=N,vps=N", both of them: 1 to ChildrenOptions::max_partitions and max_vps.
[[nodiscard]] ChildrenOptions parse_children(std::string_view option, std::string_view text);

/// "stdio", "lines", "pty", "file:PATH" or "none".
[[nodiscard]] SerialTarget parse_serial(std::string_view option, std::string_view text);

/// "IMAGE[,ro][,dvd][,format=FORMAT][,backing=FOLDER][,bus=vmbus][,controller=N][,serial=TEXT][,bootindex=N]"; a
/// comma in IMAGE is written twice. An image whose name ends in ".iso" is a DVD.
[[nodiscard]] DiskOptions parse_disk(std::string_view option, std::string_view text);

/// Adds a disk, unless its controller has as many as it can.
void add_disk(std::string_view option, std::vector<DiskOptions>& disks, DiskOptions disk);

/// "PATH[,TEXT]"; a comma in PATH is written twice, TEXT is taken as it is.
[[nodiscard]] ModuleOptions parse_module(std::string_view option, std::string_view text);

/// Adds a module, unless the guest has as many as it can.
void add_module(std::string_view option, std::vector<ModuleOptions>& modules, ModuleOptions module);

/// "auto", "user" or "hybrid".
[[nodiscard]] HypervMode parse_hyperv(std::string_view option, std::string_view text);

/// "exit" or "restart".
[[nodiscard]] OnReboot parse_on_reboot(std::string_view option, std::string_view text);

/// "reset" or "end".
[[nodiscard]] OnTripleFault parse_on_triple_fault(std::string_view option, std::string_view text);

/// "continue" or "end".
[[nodiscard]] OnCrash parse_on_crash(std::string_view option, std::string_view text);

/// "utc" or "localtime".
[[nodiscard]] RtcTime parse_rtc(std::string_view option, std::string_view text);

/// The path of a UNIX socket, short enough for a port's number behind it.
[[nodiscard]] std::string parse_vsock(std::string_view option, std::string_view text);

/// "synic" or "serial:TEXT".
[[nodiscard]] ReadySignal parse_ready(std::string_view option, std::string_view text);

/// One of spdlog's level names.
[[nodiscard]] std::string parse_log_level(std::string_view option, std::string_view text);

/// "hypercall,msr,synic,irq", any of them, with "=FILE" behind the last.
[[nodiscard]] TraceOptions parse_trace(std::string_view option, std::string_view text);

/// "on", "off", "strict", or some of "privileges", "seccomp", "landlock" and "strict". The layers of `before` change.
[[nodiscard]] JailOptions parse_jail(std::string_view option, std::string_view text, JailOptions before);

/// "+NAME,-NAME,NAME", each one of `known`; without a sign it is a plus.
[[nodiscard]] std::vector<RightChange> parse_changes(std::string_view option, std::string_view text,
                                                     std::span<std::string_view const> known);

} // namespace vmm
