#include "vmm/options/cpu_option.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace vmm {

namespace {

class Parser {
  public:
    Parser(std::string_view option, std::string_view text) : option_{option}, text_{text} {}

    [[noreturn]] void refuse(std::string_view what, std::string const& why) const
    {
        std::string message{option_};
        message.append(": '").append(what).append("' ").append(why);
        std::ranges::replace(message, '\n', ' ');
        throw UserError{message};
    }

    [[nodiscard]] unsigned number(std::string_view text, std::string_view what) const
    {
        unsigned value = 0;
        auto const* const end = text.data() + text.size();
        auto const [stop, error] = std::from_chars(text.data(), end, value);
        if (error != std::errc{} || stop != end || value < 1 || value > GuestOptions::max_cpus)
            refuse(text, std::string{"is not a possible number of "}.append(what) + ": use 1 to " +
                             std::to_string(GuestOptions::max_cpus));
        return value;
    }

    CpuOptions parse()
    {
        auto left = text_;
        options_.cpus = number(take(left), "processors");
        while (!left.empty())
            take_part(take(left));
        check();
        return options_;
    }

  private:
    static std::string_view take(std::string_view& left)
    {
        auto const comma = std::min(left.find(','), left.size());
        auto const item = left.substr(0, comma);
        left.remove_prefix(std::min(comma + 1, left.size()));
        return item;
    }

    void take_part(std::string_view item)
    {
        auto const equals = std::min(item.find('='), item.size());
        auto const name = item.substr(0, equals);
        auto const value = item.substr(std::min(equals + 1, item.size()));
        if (name == "sockets")
            options_.topology.sockets = number(value, name);
        else if (name == "cores")
            cores_ = number(value, name);
        else if (name == "threads")
            options_.topology.threads = number(value, name);
        else if (name == "nodes")
            options_.topology.nodes = number(value, name);
        else
            refuse(item, "is not known: use e.g. 8,sockets=2,threads=2");
    }

    void check() const
    {
        auto const [sockets, threads, nodes] = options_.topology;
        auto const of_all_cores = sockets * threads;
        if (options_.cpus % of_all_cores != 0 || (cores_ && *cores_ * of_all_cores != options_.cpus))
            refuse(text_, "does not come out even: the number of processors is sockets times cores times threads");
        if (!std::has_single_bit(threads))
            refuse(text_, "gives a core " + std::to_string(threads) + " threads: make them a power of two");
        if (auto const in_socket = options_.cpus / sockets; sockets > 1 && !std::has_single_bit(in_socket))
            refuse(text_, "gives a socket " + std::to_string(in_socket) +
                              " processors: make them a power of two, or use one socket");
        check_nodes(sockets, options_.cpus / threads, nodes);
    }

    void check_nodes(unsigned sockets, unsigned cores, unsigned nodes) const
    {
        if (nodes > CpuTopology::max_nodes)
            refuse(text_,
                   "has more nodes than a guest may have: use at most " + std::to_string(CpuTopology::max_nodes));
        if (nodes > cores) refuse(text_, "has more nodes than cores: use at most " + std::to_string(cores));
        if (cores % nodes != 0)
            refuse(text_, "gives nodes different numbers of cores: use a number of nodes that divides " +
                              std::to_string(cores));
        if (sockets % nodes != 0 && nodes % sockets != 0)
            refuse(text_, "has a node with parts of several sockets: make one number a multiple of the other");
    }

    std::string_view option_;
    std::string_view text_;
    CpuOptions options_{};
    std::optional<unsigned> cores_{};
};

} // namespace

CpuOptions parse_cpus(std::string_view option, std::string_view text)
{
    return Parser{option, text}.parse();
}

void check_nodes(GuestOptions const& guest)
{
    constexpr std::uint64_t least = std::uint64_t{32} << 20; // Linux leaves out nodes with little
    auto const nodes = guest.topology.nodes;
    if (nodes > 1 && guest.memory / nodes < least)
        throw UserError{guest.designation() + " has too little memory for " + std::to_string(nodes) +
                        " nodes: give each 32M at least, or use fewer"};
}

void set_cpus(GuestOptions& guest, CpuOptions const& options)
{
    guest.cpus = options.cpus;
    guest.topology = options.topology;
}

} // namespace vmm
