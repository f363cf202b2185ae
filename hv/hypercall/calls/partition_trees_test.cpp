/// Partitions that a child makes, and theirs (TLFS 2.0a §5.2, §5.6.1).
#include "hv/abi/vp_calls.hpp"
#include "hv/partition/children.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/family.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <utility>

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::RegisterName;

namespace {

constexpr auto create_partitions = std::uint64_t{1} << static_cast<unsigned>(Privilege::CreatePartitions);
constexpr auto memory_pool = std::uint64_t{1} << static_cast<unsigned>(Privilege::AccessMemoryPool);
constexpr auto registers = std::uint64_t{1} << static_cast<unsigned>(Privilege::AccessVpRegisters);
constexpr auto synic = std::uint64_t{1} << static_cast<unsigned>(Privilege::AccessSynic);
constexpr auto rights_of_parents = create_partitions | memory_pool | registers | synic;

/// A partition that makes others, from one of its VPs.
struct Maker {
    VirtualProcessor& vp;
    GuestMemory const& memory;

    template <typename Input>
    [[nodiscard]] std::uint64_t result(std::uint64_t control, Input const& input) const
    {
        REQUIRE(memory.write(Gpa{place::input}, input));
        return dispatch(vp, {{control}, place::input, place::output});
    }
    template <typename Input>
    [[nodiscard]] Status call(CallCode code, Input const& input) const
    {
        return status_of(result(static_cast<std::uint64_t>(code), input));
    }

    struct Made {
        Status status;
        std::uint64_t id;
    };
    [[nodiscard]] Made create() const
    {
        auto const status = call(CallCode::CreatePartition, abi::CreatePartitionInput{});
        std::uint64_t id = 0;
        if (status == Status::Success) REQUIRE(memory.read(Gpa{place::output}, id));
        return {status, id};
    }
    [[nodiscard]] Status grant(std::uint64_t id, std::uint64_t rights) const
    {
        return call(CallCode::SetPartitionProperty,
                    abi::SetPartitionPropertyInput{id, abi::PartitionProperty::PrivilegeFlags, 0, rights});
    }
    [[nodiscard]] Status deposit(std::uint64_t id, std::uint64_t first) const
    {
        constexpr std::uint64_t count = 48;
        struct {
            abi::DepositMemoryInput header;
            std::array<std::uint64_t, count> pages;
        } input{{id}, {}};
        for (auto& page : input.pages)
            page = first++;
        return status_of(result(static_cast<std::uint64_t>(CallCode::DepositMemory) | reps(count), input));
    }
    [[nodiscard]] Status set(std::uint64_t id, RegisterName name, std::uint64_t value) const
    {
        struct {
            abi::VpRegistersInput header{};
            abi::SetRegisterElement element{};
        } input;
        input.header.partition = id;
        input.element.name = name;
        input.element.value = {value, 0};
        return status_of(result(static_cast<std::uint64_t>(CallCode::SetVpRegisters) | reps(1), input));
    }
};

/// A partition that its parent has made: it has a VP, the rights of a parent, and memory that `ram` stands for.
struct Heir {
    Heir(Maker const& parent, PartitionRegistry& registry, RecordingChildHost& host, std::uint64_t rights)
        : ram{TestGuest::map_ram()}
    {
        auto const made = parent.create();
        REQUIRE(made.status == Status::Success);
        id = made.id;
        REQUIRE(parent.grant(id, rights) == Status::Success);
        REQUIRE(parent.deposit(id, 0x10) == Status::Success);
        REQUIRE(parent.call(CallCode::InitializePartition, abi::PartitionInput{id}) == Status::Success);
        REQUIRE(parent.call(CallCode::CreateVp, abi::CreateVpInput{.partition = id}) == Status::Success);
        host.last->ram.add({Gpa{0}, TestGuest::pages * page_size, ram.get()});
        machine = host.last;
        partition = registry.find(PartitionId{id});
    }
    [[nodiscard]] Maker maker() const { return {*partition->vp(VpIndex{0}), partition->memory()}; }

    std::unique_ptr<std::byte[], TestGuest::FreeRam> ram;
    RecordingChildMachine* machine;
    std::shared_ptr<Partition> partition;
    std::uint64_t id = 0;
};

/// A guest whose child may make partitions, and so on.
struct Tree {
    explicit Tree(std::uint64_t rights = rights_of_parents)
        : parent{registry}, child{guest(), registry, linked(), rights}
    {}

    [[nodiscard]] Maker guest() const { return {parent.guest.vp(), parent.guest.memory}; }
    RecordingChildHost& linked()
    {
        parent.host.below = &hosts[0];
        for (std::size_t n = 0; n + 1 < hosts.size(); ++n)
            hosts[n].below = &hosts[n + 1];
        return parent.host;
    }

    PartitionRegistry registry;
    std::array<RecordingChildHost, 3> hosts; ///< of the child, of its child, and of that one's
    ParentGuest parent;
    Heir child;
};

} // namespace

TEST_CASE("a child with CreatePartitions makes partitions, down to a depth (TLFS 2.0a 5.6.1)", "[children]")
{
    Tree tree;
    Heir const grandchild{tree.child.maker(), tree.registry, tree.hosts[0], rights_of_parents};
    CHECK(grandchild.partition->parent().value == tree.child.id);
    Heir const last{grandchild.maker(), tree.registry, tree.hosts[1], rights_of_parents & ~create_partitions};
    CHECK(last.maker().create().status == Status::AccessDenied);

    auto const other = grandchild.maker().create();
    REQUIRE(other.status == Status::Success);
    CHECK(grandchild.maker().grant(other.id, rights_of_parents) == Status::PropertyValueOutOfRange);
    CHECK(tree.guest().call(CallCode::InitializePartition, abi::PartitionInput{grandchild.id}) ==
          Status::AccessDenied); // it is another's child
}

TEST_CASE("a child gives no right to its children that it has not (TLFS 2.0a 5.2.3)", "[children]")
{
    Tree const tree{create_partitions};
    auto const made = tree.child.maker().create();
    REQUIRE(made.status == Status::Success);
    CHECK(tree.child.maker().grant(made.id, memory_pool) == Status::PropertyValueOutOfRange);
    CHECK(tree.child.maker().grant(made.id, create_partitions) == Status::Success);
}

TEST_CASE("with a partition all that it has made ends, and what is in pools stays its own (TLFS 2.0a 5.4)",
          "[children]")
{
    Tree tree;
    {
        Heir const grandchild{tree.child.maker(), tree.registry, tree.hosts[0], rights_of_parents};
        CHECK(tree.hosts[0].alive.processors == 1);
        CHECK(tree.hosts[0].hidden.size() == 48);
    }
    SECTION("when it is finalized")
    {
        CHECK(tree.parent.finalize(tree.child.id) == Status::Success);
        CHECK(tree.hosts[0].alive.machines == 0);
        CHECK(tree.hosts[0].alive.processors == 0);
        tree.child.partition.reset();
        CHECK(reps_done(tree.parent.withdraw(tree.child.id, 48)) == 48);
        CHECK(tree.parent.remove(tree.child.id) == Status::Success);
    }
    SECTION("when its parent goes")
    {
        tree.registry.remove(*tree.parent.guest.partition);
        CHECK(tree.hosts[0].alive.machines == 0);
        CHECK(tree.hosts[0].alive.processors == 0);
    }
}

TEST_CASE("a grandchild's intercept is told to the child, whose VPs come and go (TLFS 2.0a 9.1.1, 10.4.2)",
          "[children]")
{
    constexpr std::uint64_t simp = 0xE;
    Tree tree;
    auto const& guest = tree.parent;
    auto const& child = tree.child;
    Heir const grandchild{child.maker(), tree.registry, tree.hosts[0], rights_of_parents};
    auto& supervisor = *grandchild.machine->processors.at(0)->supervisor;
    auto const slot = [&] {
        abi::Message out{};
        std::memcpy(&out, child.ram.get() + simp * page_size, sizeof out);
        return out.header;
    };
    REQUIRE(tree.guest().set(child.id, RegisterName::Scontrol, 1) == Status::Success);
    REQUIRE(tree.guest().set(child.id, RegisterName::Simp, simp << 12 | 1) == Status::Success);
    for (int i = 0; i < 2; ++i) // of which the second waits
        supervisor.intercepted({.kind = Intercept::Kind::Halt});
    CHECK(slot().type == abi::MessageType::Halt);
    CHECK(slot().origin == grandchild.id);
    CHECK(supervisor.suspended());

    REQUIRE(guest.delete_vp(child.id, 0) == Status::Success);
    supervisor.intercepted({.kind = Intercept::Kind::Halt}); // nobody hears it
    REQUIRE(guest.create_vp(child.id, 0) == Status::Success);
    supervisor.intercepted({.kind = Intercept::Kind::Halt}); // it waits until somebody does
    std::memset(child.ram.get() + simp * page_size, 0, sizeof(abi::Message));
    REQUIRE(tree.guest().set(child.id, RegisterName::Scontrol, 1) == Status::Success);
    REQUIRE(tree.guest().set(child.id, RegisterName::Simp, simp << 12 | 1) == Status::Success);
    CHECK(slot().type == abi::MessageType::Halt);
    CHECK(child.maker().call(CallCode::DeleteVp, abi::DeleteVpInput{grandchild.id, 0, 0}) == Status::Success);
}

TEST_CASE("with a partition all that descends from it is frozen, and what was frozen on its own stays so (newest)",
          "[children]")
{
    Tree tree;
    Heir const grandchild{tree.child.maker(), tree.registry, tree.hosts[0], rights_of_parents};
    Heir const last{grandchild.maker(), tree.registry, tree.hosts[1], rights_of_parents & ~create_partitions};
    auto const freeze = [](Maker const& by, Heir const& whom, std::uint64_t value) {
        return by.call(CallCode::SetPartitionProperty,
                       abi::SetPartitionPropertyInput{whom.id, abi::PartitionProperty::TimeFreeze, 0, value});
    };
    auto& processor = *last.machine->processors.at(0);
    unsigned kicks = 0;
    processor.fake.on_kick = [&] {
        ++kicks;
        processor.vp->requests().serve();
    };
    auto const& own = *tree.child.machine->processors.at(0)->supervisor;
    auto const& below = *processor.supervisor;
    REQUIRE(tree.guest().set(tree.child.id, RegisterName::ExplicitSuspend, 0) == Status::Success);
    REQUIRE(grandchild.maker().set(last.id, RegisterName::ExplicitSuspend, 0) == Status::Success);
    CHECK_FALSE(below.suspended());

    kicks = 0;
    CHECK(freeze(tree.guest(), tree.child, 1) == Status::Success);
    CHECK(kicks == 1);
    CHECK(own.suspended());
    CHECK(below.suspended());
    CHECK(freeze(grandchild.maker(), last, 1) == Status::Success);
    CHECK(freeze(tree.guest(), tree.child, 0) == Status::Success);
    CHECK(kicks == 3);
    CHECK_FALSE(own.suspended());
    CHECK(below.suspended());
    CHECK(freeze(grandchild.maker(), last, 0) == Status::Success);
    CHECK_FALSE(below.suspended());
}

TEST_CASE("a page under an overlay of one of its VPs is no page for a child's pools (TLFS 2.0a 7.3.1)", "[children]")
{
    constexpr std::uint64_t simp = 0x12;
    Tree const tree;
    auto const made = tree.child.maker().create();
    REQUIRE(tree.guest().set(tree.child.id, RegisterName::Simp, simp << 12 | 1) == Status::Success);
    CHECK(tree.child.maker().deposit(made.id, 0x10) == Status::ObjectInUse);
}
