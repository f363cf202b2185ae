/// What a user types to a guest, with the keys that are meant for Porthole in between, and what a guest prints, on
/// its way to a terminal that it shares with others, and past whoever waits for a text.
///
/// The first byte is the length of the text that is waited for (modulo 16), which follows. Steps follow: a byte, bit
/// 0 of which says that it was printed rather than typed; a length, a value, and the bytes. Each step is one read or
/// write; how the bytes are cut into steps must make no difference.
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "vmm/console/escape.hpp"
#include "vmm/console/line_prefix.hpp"
#include "vmm/machine/ready_text.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using hv::fuzz::Input;
using hv::fuzz::require;
using namespace vmm;

namespace {

using Bytes = std::vector<std::byte>;

std::string_view text_of(Bytes const& bytes)
{
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

class World {
  public:
    explicit World(Input& input)
    {
        auto const text = input.bytes(input.below(16));
        if (!text.empty()) wanted_.assign(reinterpret_cast<char const*>(text.data()), text.size());
        if (!wanted_.empty()) ready_.emplace(wanted_);
    }

    void step(Input& input)
    {
        bool const is_printed = (input.byte() & 1) != 0;
        auto const bytes = std::as_bytes(input.counted_bytes());
        auto& all = is_printed ? printed_ : typed_;
        all.insert(all.end(), bytes.begin(), bytes.end());
        if (!is_printed) return filter_.feed(bytes, to_guest_, commands_);

        prefix_.feed(bytes, lines_);
        require(lines_.empty() || text_of(lines_).ends_with('\n'), "only whole lines are written");
        if (!ready_) return;
        // It may have begun in the steps before.
        auto const from = printed_.size() - std::min(printed_.size(), bytes.size() + wanted_.size() - 1);
        bool const is_there = text_of(printed_).substr(from).find(wanted_) != std::string_view::npos;
        require(ready_->feed(bytes) == is_there, "a text is found where it is");
    }

    void end()
    {
        check_keys();
        prefix_.finish(lines_);
        check_lines();
    }

  private:
    void check_keys() const
    {
        EscapeFilter whole;
        Bytes to_guest;
        std::vector<ConsoleCommand> commands;
        whole.feed(typed_, to_guest, commands);
        require(to_guest == to_guest_ && commands == commands_, "keys mean the same however they come");
        require(to_guest.size() + 2 * commands.size() <= typed_.size(), "nothing is sent that was not typed");
        auto const escapes = std::ranges::count(typed_, EscapeFilter::escape);
        if (escapes == 0) require(to_guest == typed_ && commands.empty(), "what is no escape goes to the guest");
    }

    void check_lines() const
    {
        auto left = text_of(lines_);
        std::size_t shown = 0;
        while (!left.empty()) {
            auto const end = left.find('\n');
            require(end != std::string_view::npos && left.starts_with("name| "), "each line has its guest's name");
            auto const line = left.substr(0, end);
            require(line.size() <= 6 + LinePrefix::longest_line, "a line has a limit");
            require(std::ranges::all_of(line, [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7F); }),
                    "a guest cannot write what moves a cursor");
            shown += line.size() - 6;
            left.remove_prefix(end + 1);
        }
        auto const kept =
            std::ranges::count_if(printed_, [](std::byte b) { return b != std::byte{'\n'} && b != std::byte{'\r'}; });
        require(shown == static_cast<std::size_t>(kept), "nothing that a guest prints is lost");
    }

    std::string wanted_;
    std::optional<ReadyText> ready_;
    EscapeFilter filter_;
    LinePrefix prefix_{"name"};
    Bytes typed_;
    Bytes printed_;
    Bytes to_guest_;
    Bytes lines_;
    std::vector<ConsoleCommand> commands_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world{input};
    return hv::fuzz::play(world, input);
}
