#include "hv/abi/msr.hpp"
#include "hv/abi/port.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/trace/trace_log.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>

namespace {

using vmm::TraceLog;
using vmm::TraceOptions;

struct TraceFile {
    TraceFile() : path{std::filesystem::temp_directory_path() / ("trace-" + std::to_string(::getpid()))} {}
    ~TraceFile() { std::filesystem::remove(path); }

    [[nodiscard]] std::string content() const
    {
        std::ifstream in{path};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    std::filesystem::path path;
};

bool contains(std::string const& text, std::string const& part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a trace decodes what it was asked to trace and nothing else", "[trace]")
{
    TraceFile file;
    {
        TraceOptions options;
        options.hypercall = options.msr = true;
        options.file = file.path.string();
        TraceLog log{options};
        vmm::PartitionTrace trace{log, ""};
        trace.set_partition(hv::PartitionId{2});
        hv::abi::DeletePortInput const input{2, 0x10, 0};
        trace.hypercall(hv::VpIndex{1}, hv::abi::Control{0x1'0058}, "HvDeletePort",
                        std::as_bytes(std::span{&input, 1}), 0x11);
        trace.msr_write(hv::VpIndex{0}, hv::abi::msr::sint0 + 2, 0x1'0000, true);
        trace.msr_read(hv::VpIndex{0}, 0x4000'01FF, 0, false);
        trace.interrupt(hv::VpIndex{0}, 0x40, false);
    }
    auto const text = file.content();
    CHECK(contains(text,
                   "vp1 hypercall HvDeletePort (0x0058, fast) PortPartition=0x2 PortId=0x10 -> INVALID_PORT_ID\n"));
    CHECK(contains(text, "vp0 msr write SINT2 = 0x10000\n"));
    CHECK(contains(text, "vp0 msr read 0x400001ff -> #GP\n"));
    CHECK_FALSE(contains(text, "irq"));
}

TEST_CASE("lines of several guests tell whose they are", "[trace]")
{
    TraceFile file;
    {
        TraceOptions options;
        options.irq = true;
        options.file = file.path.string();
        TraceLog log{options};
        vmm::PartitionTrace server{log, "server"};
        vmm::PartitionTrace client{log, "client"};
        server.set_partition(hv::PartitionId{2});
        client.set_partition(hv::PartitionId{3});
        server.interrupt(hv::VpIndex{0}, 0x40, false);
        client.interrupt(hv::VpIndex{1}, 0x41, true);
        client.set_partition(hv::PartitionId{4}); // it was started anew
        client.interrupt(hv::VpIndex{0}, 0x42, false);
    }
    auto const text = file.content();
    CHECK(contains(text, " server#2 vp0 irq vector 0x40\n"));
    CHECK(contains(text, " client#3 vp1 irq vector 0x41, auto-EOI\n"));
    CHECK(contains(text, " client#4 vp0 irq vector 0x42\n"));
}

TEST_CASE("a trace ends after so many lines, whatever the guest does", "[trace]")
{
    TraceFile file;
    {
        TraceOptions options;
        options.irq = true;
        options.file = file.path.string();
        TraceLog log{options, 3};
        vmm::PartitionTrace trace{log, ""};
        for (int i = 0; i < 100; ++i)
            trace.interrupt(hv::VpIndex{0}, 0x40, false);
    }
    auto const text = file.content();
    CHECK(std::count(text.begin(), text.end(), '\n') == 4);
    CHECK(contains(text, "the trace ends here, after 3 lines\n"));
}

TEST_CASE("a trace file that cannot be written is the user's to mend", "[trace]")
{
    TraceOptions options;
    options.irq = true;
    options.file = "/nonexistent/trace";
    CHECK_THROWS_AS(TraceLog{options}, vmm::UserError);
}
