// TLB flushes by hypercall: that they are not there unless they are recommended, and that they flush.
#include "conformance/fixtures.hpp"
#include "hyperv/call_forms.hpp"
#include "runtime/cpu.hpp"
#include "runtime/test.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 local_or_remote_flush = 1u << 1 | 1u << 2;
constexpr u32 remote_flush = 1u << 2;
constexpr u32 ex_processor_masks = 1u << 11;

constexpr u64 all_processors = 1;          // HV_FLUSH_ALL_PROCESSORS
constexpr u64 all_address_spaces = 1 << 1; // HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES
constexpr u64 second_processor = 1 << 1;

u32 recommended()
{
    return cpuid(leaf_recommendations).eax;
}

struct FlushInput {
    u64 address_space, flags, processors, first;
};
struct FlushExInput {
    u64 address_space, flags, format, valid_banks, bank, first;
};

/// A window of 2 MiB onto either of two places of memory that nothing else uses.
class Window {
  public:
    static constexpr u64 address = u64{1} << 30;

    Window() : entry_{entry()}, before_{load(entry_)}
    {
        for (u64 n = 0; n < 2; ++n)
            *reinterpret_cast<u64 volatile*>(frame(n)) = marker(n);
    }
    Window(Window const&) = delete;
    Window& operator=(Window const&) = delete;
    ~Window() { store(entry_, before_); }

    void show(u64 n) { store(entry_, frame(n) | 0xE3); } // a present, writable, large page
    static constexpr u64 marker(u64 n) { return 0x1000 + (n & 1); }
    static u64 seen() { return *reinterpret_cast<u64 volatile*>(address); }

  private:
    static constexpr u64 frame(u64 n) { return (16 + (n & 1)) << 21; } // at 32 MiB

    static u64& entry()
    {
        constexpr u64 page_bits = 0x000F'FFFF'FFFF'F000;
        auto const* const top = reinterpret_cast<u64 const*>(read_cr3() & page_bits);
        auto const* const pointers = reinterpret_cast<u64 const*>(top[0] & page_bits);
        auto* const directory = reinterpret_cast<u64*>(pointers[address >> 30] & page_bits);
        return directory[(address >> 21) & 511];
    }

    u64& entry_;
    u64 const before_;
};

/// What the other processor does: reads through the window all the time, and answers each question with what it read
/// after it was asked.
struct Reader {
    u64 question; ///< zero ends it
    u64 answered;
    u64 seen;
};

void read_on(void* argument)
{
    auto& reader = *static_cast<Reader*>(argument);
    for (u64 asked; (asked = load(reader.question)) != 0;) {
        store(reader.seen, Window::seen());
        store(reader.answered, asked);
    }
}

/// Changes the mapping under the reader many times, flushing it by `flush`; which must have happened when that
/// returns.
template <typename Flush>
void change_mapping_under_reader(Flush const& flush)
{
    constexpr u64 changes = 300;
    SKIP_UNLESS(cpu_count() > 1, "one processor");
    Window window;
    Reader reader{1, 0, 0};
    window.show(0);
    CHECK_STATUS(flush(), Status::Success);
    start_on(1, read_on, &reader);
    for (u64 n = 1; n <= changes && !test_is_over(); ++n) {
        window.show(n);
        CHECK_STATUS(flush(), Status::Success);
        store(reader.question, n + 1);
        auto const answered = wait_until([&] { return load(reader.answered) == n + 1; });
        note_position(n);
        if (!answered || load(reader.seen) != Window::marker(n)) break;
    }
    auto const last = load(reader.seen);
    auto const asked = load(reader.question);
    store(reader.question, u64{0});
    CHECK(wait_for_task(1));
    CHECK_EQ(last, Window::marker(asked - 1));
    CHECK_EQ(asked, changes + 1);
}

/// The status of a call with one repetition, which must have been done.
Status all_done(u64 result)
{
    constexpr auto not_done = static_cast<Status>(0xFFFF);
    return status(result) != Status::Success || reps_completed(result) == 1 ? status(result) : not_done;
}

} // namespace

#define NEEDS_FLUSHES(bits)                                                                                          \
    NEEDS(hypercall_msrs);                                                                                           \
    SKIP_UNLESS((recommended() & (bits)) == (bits), "TLB flushes are not offered");                                  \
    enable_hypercalls()

TEST(tlb_flush, not_recommended_is_not_offered, "6.0b 2.4.5, 9.4; online, HvCallFlushVirtualAddressSpace")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    SKIP_UNLESS((recommended() & local_or_remote_flush) == 0, "TLB flushes are offered");
    struct {
        u64 address_space, flags, processors, first;
    } const input{0, 3, 1, 0}; // all processors, all address spaces
    constexpr u64 simple[] = {call::flush_virtual_address_space, call::flush_virtual_address_space_ex};
    for (auto const code : simple) {
        note_position(code);
        auto const result = call_with(code, input);
        CHECK(result == Status::InvalidHypercallCode || result == Status::AccessDenied);
    }
    constexpr u64 rep[] = {call::flush_virtual_address_list, call::flush_virtual_address_list_ex};
    for (auto const code : rep) {
        note_position(code);
        auto const result = call_with(code | rep_count(1), input);
        CHECK(result == Status::InvalidHypercallCode || result == Status::AccessDenied);
    }
}

TEST(tlb_flush, an_address_space_on_another_processor, "6.0b 9.4")
{
    NEEDS_FLUSHES(remote_flush);
    change_mapping_under_reader([] {
        return call_with(call::flush_virtual_address_space, FlushInput{read_cr3(), 0, second_processor, 0});
    });
}

TEST(tlb_flush, all_address_spaces_on_all_processors, "6.0b 9.4")
{
    NEEDS_FLUSHES(remote_flush);
    change_mapping_under_reader([] {
        return call_with(call::flush_virtual_address_space, FlushInput{0, all_processors | all_address_spaces, 0, 0});
    });
}

TEST(tlb_flush, a_list_completes_its_repetitions, "6.0b 9.4")
{
    NEEDS_FLUSHES(remote_flush);
    change_mapping_under_reader([] {
        *static_cast<FlushInput*>(input_page()) = {read_cr3(), 0, second_processor, Window::address};
        return all_done(
            hypercall(call::flush_virtual_address_list | rep_count(1), reinterpret_cast<u64>(input_page())));
    });
}

TEST(tlb_flush, a_sparse_set_of_processors, "6.0b 9.4")
{
    NEEDS_FLUSHES(remote_flush | ex_processor_masks);
    change_mapping_under_reader([] {
        return call_with(call::flush_virtual_address_space_ex | variable_header(1),
                         FlushExInput{read_cr3(), 0, 0, 1, second_processor, 0});
    });
}

TEST(tlb_flush, a_list_for_a_sparse_set_of_processors, "6.0b 9.4")
{
    NEEDS_FLUSHES(remote_flush | ex_processor_masks);
    change_mapping_under_reader([] {
        *static_cast<FlushExInput*>(input_page()) = {read_cr3(), 0, 0, 1, second_processor, Window::address};
        return all_done(hypercall(call::flush_virtual_address_list_ex | variable_header(1) | rep_count(1),
                                  reinterpret_cast<u64>(input_page())));
    });
}

TEST(tlb_flush, by_xmm_registers, "6.0b 3.7.1, 9.4; hypercall-interface, XMM fast input")
{
    NEEDS_FLUSHES(remote_flush);
    NEEDS(xmm_input);
    change_mapping_under_reader([] {
        u64 const words[] = {read_cr3(), 0, second_processor};
        return status(call_by_registers(call::flush_virtual_address_space, words, 3));
    });
}

TEST(tlb_flush, a_list_by_xmm_registers, "6.0b 3.7.1, 9.4; hypercall-interface, XMM fast input")
{
    NEEDS_FLUSHES(remote_flush);
    NEEDS(xmm_input);
    change_mapping_under_reader([] {
        u64 const words[] = {read_cr3(), 0, second_processor, Window::address};
        return all_done(call_by_registers(call::flush_virtual_address_list | rep_count(1), words, 4));
    });
}

TEST(tlb_flush, a_sparse_set_by_xmm_registers, "6.0b 3.7.1, 9.4; hypercall-interface, XMM fast input")
{
    NEEDS_FLUSHES(remote_flush | ex_processor_masks);
    NEEDS(xmm_input);
    change_mapping_under_reader([] {
        u64 const words[] = {read_cr3(), 0, 0, 1, second_processor};
        return status(call_by_registers(call::flush_virtual_address_space_ex | variable_header(1), words, 5));
    });
}

TEST(tlb_flush, from_32bit_code, "6.0b 3.7, 9.4")
{
    NEEDS_FLUSHES(remote_flush);
    change_mapping_under_reader([] {
        return call_32_with(call::flush_virtual_address_space, FlushInput{read_cr3(), 0, second_processor, 0});
    });
}

TEST(tlb_flush, from_32bit_code_by_xmm_registers, "6.0b 3.7.1, 9.4; hypercall-interface, XMM fast input")
{
    NEEDS_FLUSHES(remote_flush);
    NEEDS(xmm_input);
    change_mapping_under_reader([] {
        u64 const words[] = {read_cr3(), 0, second_processor};
        return status(call_32_by_registers(call::flush_virtual_address_space, words, 3));
    });
}
