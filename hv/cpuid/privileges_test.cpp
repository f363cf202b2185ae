#include "hv/cpuid/privileges.hpp"
#include "hv/testing/catch.hpp"

#include <set>

using namespace hv;

TEST_CASE("names grant and withdraw what they stand for; unknown ones and the other table's do nothing", "[rights]")
{
    for (auto const names : {privilege_names(), feature_names()}) {
        for (auto const& entry : names) {
            INFO(entry.name);
            Rights rights;
            REQUIRE(apply(rights, names, entry.name, true));
            if (entry.privilege) CHECK(rights.has(*entry.privilege));
            if (entry.feature) CHECK(rights.has(*entry.feature));
            if (entry.recommendation) CHECK(rights.has(*entry.recommendation));
            CHECK((rights.eax() | rights.ebx() | rights.edx() | rights.recommendations()) != 0);
            REQUIRE(apply(rights, names, entry.name, false));
            CHECK((rights.eax() | rights.ebx() | rights.edx() | rights.recommendations()) == 0);
            auto const other = names.data() == privilege_names().data() ? feature_names() : privilege_names();
            CHECK_FALSE(apply(rights, other, entry.name, true));
        }
    }
    Rights rights;
    CHECK_FALSE(apply(rights, feature_names(), "", true));
    CHECK_FALSE(apply(rights, feature_names(), "SYNIC", true));
    CHECK((rights.eax() | rights.ebx() | rights.edx()) == 0);
}

TEST_CASE("names are unique over both tables, and each has a meaning for --help", "[rights]")
{
    std::set<std::string_view> seen;
    for (auto const names : {privilege_names(), feature_names()}) {
        for (auto const& entry : names) {
            CHECK(seen.insert(entry.name).second);
            CHECK_FALSE(entry.meaning.empty());
            CHECK((entry.privilege || entry.feature || entry.recommendation));
        }
    }
}

TEST_CASE("privilege names are about EBX, and the mask has its documented bits (TLFS 6.0b 4.2.2)", "[rights]")
{
    for (auto const& entry : privilege_names()) {
        Rights rights;
        REQUIRE(apply(rights, privilege_names(), entry.name, true));
        CHECK(rights.ebx() != 0);
        CHECK((rights.eax() | rights.edx()) == 0);
    }
    using enum Privilege;
    std::pair<Privilege, unsigned> const bits[]{
        {AccessVpRunTime, 0},
        {AccessReferenceCounter, 1},
        {AccessSynic, 2},
        {AccessSyntheticTimers, 3},
        {AccessHypercallMsrs, 5},
        {AccessVpIndex, 6},
        {AccessReset, 7},
        {AccessReferenceTsc, 9},
        {AccessGuestIdle, 10},
        {AccessFrequencies, 11},
        {AccessPartitionId, 33},
        {PostMessages, 36},
        {SignalEvents, 37},
        {CreatePort, 38},
        {ConnectPort, 39},
        {CreatePartitions, 32},
        {EnableExtendedHypercalls, 52},
        {AccessVpRegisters, 49},
        {StartVirtualProcessor, 53},
    };
    for (auto const& [privilege, bit] : bits) {
        Rights rights;
        rights.set(privilege, true);
        CHECK((std::uint64_t{rights.ebx()} << 32 | rights.eax()) == std::uint64_t{1} << bit);
        CHECK(rights.edx() == 0);
    }
}

TEST_CASE("an ordinary guest may not create ports, connect or ask for its ID", "[rights]")
{
    auto const rights = Rights::ordinary();
    CHECK_FALSE(rights.has(Privilege::CreatePort));
    CHECK_FALSE(rights.has(Privilege::ConnectPort));
    CHECK_FALSE(rights.has(Privilege::AccessPartitionId));
    CHECK_FALSE(rights.has(Privilege::CreatePartitions));
    CHECK_FALSE(rights.has(Privilege::EnableExtendedHypercalls));
    CHECK(rights.recommendations() == 0);
    CHECK(rights.has(Privilege::PostMessages));
    CHECK(rights.has(Privilege::SignalEvents));
}
