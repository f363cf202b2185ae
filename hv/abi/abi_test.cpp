/// Numbers and layouts against the tables of the specification.
#include "hv/abi/cpuid.hpp"
#include "hv/abi/hypercall.hpp"
#include "hv/abi/message.hpp"
#include "hv/abi/port.hpp"
#include "hv/abi/registers.hpp"
#include "hv/abi/status.hpp"
#include "hv/testing/catch.hpp"

#include <cstring>
#include <map>
#include <set>
#include <string>

using namespace hv;

TEST_CASE("status codes and their names (TLFS 2.0a appendix B; 6.0b appendix B)", "[abi]")
{
    std::map<std::uint16_t, std::string> const documented{
        {0x0000, "SUCCESS"},
        {0x0002, "INVALID_HYPERCALL_CODE"},
        {0x0003, "INVALID_HYPERCALL_INPUT"},
        {0x0004, "INVALID_ALIGNMENT"},
        {0x0005, "INVALID_PARAMETER"},
        {0x0006, "ACCESS_DENIED"},
        {0x0007, "INVALID_PARTITION_STATE"},
        {0x0008, "OPERATION_DENIED"},
        {0x0009, "UNKNOWN_PROPERTY"},
        {0x000A, "PROPERTY_VALUE_OUT_OF_RANGE"},
        {0x000B, "INSUFFICIENT_MEMORY"},
        {0x000C, "PARTITION_TOO_DEEP"},
        {0x000D, "INVALID_PARTITION_ID"},
        {0x000E, "INVALID_VP_INDEX"},
        {0x0011, "INVALID_PORT_ID"},
        {0x0012, "INVALID_CONNECTION_ID"},
        {0x0013, "INSUFFICIENT_BUFFERS"},
        {0x0014, "NOT_ACKNOWLEDGED"},
        {0x0015, "INVALID_VP_STATE"},
        {0x0016, "ACKNOWLEDGED"},
        {0x0018, "INVALID_SYNIC_STATE"},
        {0x0019, "OBJECT_IN_USE"},
        {0x001A, "INVALID_PROXIMITY_DOMAIN_INFO"},
        {0x001D, "NO_RESOURCES"},
        {0x001E, "FEATURE_UNAVAILABLE"},
        {0x0050, "INVALID_REGISTER_VALUE"},
        {0x0051, "INVALID_VTL_STATE"},
    };
    for (unsigned code = 0; code < 0x100; ++code) {
        auto const found = documented.find(static_cast<std::uint16_t>(code));
        CHECK(std::string{name_of(Status{static_cast<std::uint16_t>(code)})} ==
              (found == documented.end() ? "?" : found->second));
    }
}

TEST_CASE("the hypercall input value, field by field (TLFS 2.0a 4.7; newest hypercall-interface page)", "[abi]")
{
    abi::Control const control{0x0ABC'0DEF'0000'5678 | std::uint64_t{1} << 16 | std::uint64_t{0x2A5} << 17};
    CHECK(control.code() == 0x5678);
    CHECK(control.fast());
    CHECK(control.variable_header_qwords() == 0x2A5);
    CHECK(control.rep_count() == 0xDEF);
    CHECK(control.rep_start() == 0xABC);
    CHECK(control.reserved_clear());
    for (unsigned bit = 0; bit < 64; ++bit) {
        auto const reserved = (bit >= 27 && bit <= 31) || (bit >= 44 && bit <= 47) || bit >= 60;
        CHECK(abi::Control{std::uint64_t{1} << bit}.reserved_clear() != reserved);
    }
}

TEST_CASE("the hypercall result value (TLFS 2.0a 4.8)", "[abi]")
{
    CHECK(abi::result(Status::Success) == 0);
    CHECK(abi::result(Status::InvalidRegisterValue) == 0x50);
    CHECK(abi::result(Status::InvalidParameter, 0xFFF) == 0xFFF'0000'0005);
}

TEST_CASE("SINTx, page and timer registers (TLFS 6.0b 11.8, 12.5)", "[abi]")
{
    abi::SintRegister const sint{0x5'00F3};
    CHECK(sint.vector() == 0xF3);
    CHECK(sint.masked());
    CHECK_FALSE(sint.auto_eoi());
    CHECK(sint.polling());
    CHECK(abi::SintRegister{0x2'0000}.auto_eoi());
    CHECK(abi::SintRegister{}.word == 0x1'0000);
    CHECK(abi::SintRegister{}.closed());
    CHECK_FALSE(abi::SintRegister{0x5'0000}.closed());
    CHECK_FALSE(abi::SintRegister{0x40}.closed());

    abi::PageRegister const page{0xABCD'EFFF};
    CHECK(page.enabled());
    CHECK(page.page() == Gpa{0xABCD'E000});
    CHECK_FALSE(abi::PageRegister{0xFFFF'FFFE}.enabled());

    abi::StimerConfig const timer{0xA'1000 | 0xEC << 4 | 0x5};
    CHECK(timer.enabled());
    CHECK_FALSE(timer.periodic());
    CHECK(timer.lazy());
    CHECK_FALSE(timer.auto_enable());
    CHECK(timer.apic_vector() == 0xEC);
    CHECK(timer.direct());
    CHECK(timer.sint() == Sint{10});
}

TEST_CASE("a create's input as a guest lays it out (TLFS 2.0a 14.9.1)", "[abi]")
{
    abi::CreatePortInput const input{1, 2, 3, 4, {abi::PortType::Event, 5, 6, 7, 8, 9, 10}};
    std::array<std::uint32_t, 12> words;
    std::memcpy(words.data(), &input, sizeof input);
    CHECK(words == std::array<std::uint32_t, 12>{1, 0, 2, 3, 4, 0, 2, 5, 6, 7, 8 | 9 << 16, 10});
}

TEST_CASE("a create's input with VTLs and NUMA (newest HvCallCreatePort page)", "[abi]")
{
    abi::CreatePortVtlInput const input{1, 2, 3, 4, 5, 6, {abi::PortType::Message, 7, 8, 9, 0, 0, 10}, 11};
    std::array<std::uint32_t, 14> words;
    std::memcpy(words.data(), &input, sizeof input);
    CHECK(words == std::array<std::uint32_t, 14>{1, 0, 2, 3 | 4 << 8 | 5 << 16, 6, 0, 1, 7, 8, 9, 0, 10, 11, 0});
}

TEST_CASE("a connect's input, both ways (TLFS 2.0a 14.9.3, 14.8.9; newest HvCallConnectPort page)", "[abi]")
{
    abi::ConnectPortInput const input{1, 2, 3, 4, 5, 6, abi::PortType::Event, 7};
    std::array<std::uint32_t, 10> words;
    std::memcpy(words.data(), &input, sizeof input);
    CHECK(words == std::array<std::uint32_t, 10>{1, 0, 2, 3, 4, 0, 5, 6, 2, 7});

    abi::ConnectPortVtlInput const later{1, 2, 3, 4, 5, 6, 7, 8, abi::PortType::Message, 9, {10, 11, 12}, 13};
    std::array<std::uint32_t, 18> more;
    std::memcpy(more.data(), &later, sizeof later);
    CHECK(more ==
          std::array<std::uint32_t, 18>{1, 0, 2, 3 | 4 << 8 | 5 << 16, 6, 0, 7, 8, 1, 9, 10, 0, 11, 0, 12, 0, 13, 0});
}

TEST_CASE("message and event inputs, and the timer's payload (TLFS 2.0a 14.9.7, 14.9.8, 16.4)", "[abi]")
{
    abi::PostMessageInput post{1, 2, abi::MessageType{3}, 4, {}};
    post.payload[29] = 5;
    std::array<std::uint32_t, 64> words;
    std::memcpy(words.data(), &post, sizeof post);
    CHECK(words[0] == 1);
    CHECK(words[2] == 3);
    CHECK(words[3] == 4);
    CHECK(words[62] == 5);

    abi::SignalEventInput const signal{1, 2, 3};
    std::uint64_t word{};
    std::memcpy(&word, &signal, sizeof word);
    CHECK(word == 0x0003'0002'0000'0001);

    static_assert(offsetof(abi::TimerPayload, expiration_time) == 8 &&
                  offsetof(abi::TimerPayload, delivery_time) == 16);
}
