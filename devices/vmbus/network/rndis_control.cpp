#include "devices/vmbus/network/rndis_control.hpp"

#include <cstring>

namespace devices::network {

namespace {

using rndis::Header;
using rndis::Status;
using rndis::Type;

template <typename T>
bool read(std::span<std::byte const> message, T& out)
{
    if (message.size() < sizeof(Header) + sizeof out) return false;
    std::memcpy(&out, message.data() + sizeof(Header), sizeof out);
    return true;
}

template <typename Body>
void answer_with(Type type, Body const& body, std::vector<std::byte>& answer, std::size_t more = 0)
{
    Header const header{type, static_cast<std::uint32_t>(sizeof header + sizeof body + more)};
    auto const add = [&](auto const& part) {
        auto const* const from = reinterpret_cast<std::byte const*>(&part);
        answer.insert(answer.end(), from, from + sizeof part);
    };
    add(header);
    add(body);
}

void initialize(rndis::Initialize const& request, Settings& settings, std::vector<std::byte>& answer)
{
    constexpr std::uint32_t packets_in_one_message = 8;
    constexpr std::uint32_t transfer_size = 0xEFFF'FFFF; // as Hyper-V says: no limit of its own
    constexpr std::uint32_t eight_bytes = 3;             // as a power of two
    settings.initialized = true;
    answer_with(Type::InitializeComplete,
                rndis::InitializeComplete{.request = request.request,
                                          .status = Status::Success,
                                          .major = 1,
                                          .minor = 0,
                                          .device_flags = rndis::connectionless,
                                          .medium = rndis::medium_ethernet,
                                          .max_packets_per_message = packets_in_one_message,
                                          .max_transfer_size = transfer_size,
                                          .alignment_factor = eight_bytes,
                                          .reserved = {}},
                answer);
}

void query(rndis::Request const& request, Facts const& facts, Settings const& settings, Readings const& readings,
           std::vector<std::byte>& answer)
{
    std::vector<std::byte> info;
    auto const status = query_oid(ndis::Oid{request.oid}, facts, settings, readings, info);
    answer_with(Type::QueryComplete,
                rndis::QueryComplete{request.request, status, static_cast<std::uint32_t>(info.size()),
                                     sizeof(rndis::QueryComplete)},
                answer, info.size());
    answer.insert(answer.end(), info.begin(), info.end());
}

void set(std::span<std::byte const> message, rndis::Request const& request, Facts const& facts, Settings& settings,
         std::vector<std::byte>& answer)
{
    auto const body = message.subspan(sizeof(Header));
    auto status = Status::InvalidData;
    if (request.info_offset <= body.size() && request.info_length <= body.size() - request.info_offset)
        status =
            set_oid(ndis::Oid{request.oid}, body.subspan(request.info_offset, request.info_length), facts, settings);
    answer_with(Type::SetComplete, rndis::Complete{request.request, status}, answer);
}

void halt(Settings& settings)
{
    settings.initialized = false;
    settings.packet_filter = 0;
    settings.rss = {};
}

} // namespace

bool control(std::span<std::byte const> message, Facts const& facts, Settings& settings, Readings const& readings,
             std::vector<std::byte>& answer)
{
    if (message.size() < sizeof(Header)) return false;
    Header header;
    std::memcpy(&header, message.data(), sizeof header);
    if (header.length < sizeof header || header.length > message.size()) return false;
    message = message.first(header.length);

    rndis::Request request{};
    std::uint32_t number = 0;
    switch (header.type) {
    case Type::Initialize: {
        rndis::Initialize asked{};
        if (!read(message, asked)) return false;
        initialize(asked, settings, answer);
        return true;
    }
    case Type::Query:
        if (!read(message, request)) return false;
        query(request, facts, settings, readings, answer);
        return true;
    case Type::Set:
        if (!read(message, request)) return false;
        set(message, request, facts, settings, answer);
        return true;
    case Type::KeepAlive:
        if (!read(message, number)) return false;
        answer_with(Type::KeepAliveComplete, rndis::Complete{number, Status::Success}, answer);
        return true;
    case Type::Reset: answer_with(Type::ResetComplete, rndis::ResetComplete{Status::Success, 0}, answer); return true;
    case Type::Halt: halt(settings); return true;
    default: return false;
    }
}

std::vector<std::byte> link_indication(bool up)
{
    std::vector<std::byte> message;
    answer_with(Type::Indicate, rndis::Indicate{up ? Status::MediaConnect : Status::MediaDisconnect, 0, 0}, message);
    return message;
}

} // namespace devices::network
