#include "devices/vmbus/services/key_value.hpp"

#include "devices/vmbus/services/utf16.hpp"

#include <algorithm>
#include <array>

namespace devices::vmbus {

namespace {

using key_value::Operation;
using key_value::ValueType;

/// Linux drivers/hv/hv_kvp.c knows 1.0, 3.0 and 4.0; with 5.0, addresses would come in another form.
constexpr std::array<ic::Version, 3> versions{{{1, 0}, {3, 0}, {4, 0}}};

constexpr ServiceKind kind{"key-value exchange", hv::vmbus::guid("a9a0f4e7-5a45-4d96-b827-8a841e8c03e6"),
                           hv::vmbus::guid("242ff919-07db-4180-9c2e-b86cb68c8c55"), ic::MessageType::KeyValue,
                           versions};

/// Writes a string with its NUL; its size in bytes, or 0 when it does not fit.
std::uint32_t put_string(std::span<std::byte> field, std::string_view text)
{
    auto const units = to_utf16(text);
    auto const size = (units.size() + 1) * sizeof(char16_t);
    if (size > field.size()) return 0;
    std::memcpy(field.data(), units.c_str(), size);
    return static_cast<std::uint32_t>(size);
}

/// As Linux's daemon looks for it (tools/hv/hv_kvp_daemon.c, kvp_mac_to_ip).
std::string adapter_name(net::MacAddress const& adapter)
{
    auto name = to_string(adapter);
    std::ranges::transform(name, name.begin(), [](char c) { return c >= 'a' && c <= 'f' ? char(c - 'a' + 'A') : c; });
    return name;
}

std::span<std::byte const> field(std::span<std::byte const> whole, std::uint32_t size)
{
    return whole.first(std::min<std::size_t>(size, whole.size()));
}

std::optional<std::string> value_text(key_value::Value const& value)
{
    switch (value.type) {
    case ValueType::String:
    case ValueType::ExpandString: return from_utf16(field(value.value, value.value_size));
    case ValueType::Number32: {
        std::uint32_t number = 0;
        std::memcpy(&number, value.value, sizeof number);
        return std::to_string(number);
    }
    case ValueType::Number64: {
        std::uint64_t number = 0;
        std::memcpy(&number, value.value, sizeof number);
        return std::to_string(number);
    }
    }
    return std::nullopt;
}

} // namespace

KeyValueService::KeyValueService(hv::vmbus::Executor& executor) : Service{kind, executor} {}

void KeyValueService::enumerate(Pool pool, std::chrono::milliseconds patience, Callback done)
{
    key_value::EnumerateMessage message{};
    message.header = {Operation::Enumerate, pool, 0};
    submit(message, Operation::Enumerate, patience, std::move(done));
}

void KeyValueService::set(Pool pool, std::string_view key, std::string_view value, std::chrono::milliseconds patience,
                          Callback done)
{
    key_value::SetMessage message{};
    message.header = {Operation::Set, pool, 0};
    message.value.type = ValueType::String;
    message.value.key_size = put_string(message.value.key, key);
    message.value.value_size = put_string(message.value.value, value);
    if (message.value.key_size == 0 || message.value.value_size == 0) return done({Error::TooLong});
    submit(message, Operation::Set, patience, std::move(done));
}

void KeyValueService::remove(Pool pool, std::string_view key, std::chrono::milliseconds patience, Callback done)
{
    key_value::DeleteMessage message{};
    message.header = {Operation::Delete, pool, 0};
    message.key_size = put_string(message.key, key);
    if (message.key_size == 0) return done({Error::TooLong});
    submit(message, Operation::Delete, patience, std::move(done));
}

void KeyValueService::addresses(net::MacAddress const& adapter, std::chrono::milliseconds patience, Callback done)
{
    key_value::AddressMessage message{};
    message.operation = Operation::GetAddresses;
    message.pool = Pool::Guest;
    message.family = key_value::Family::Both;
    static_cast<void>(put_string(message.adapter, adapter_name(adapter)));
    submit(message, Operation::GetAddresses, patience, std::move(done));
}

template <typename Message>
void KeyValueService::submit(Message const& message, Operation operation, std::chrono::milliseconds patience,
                             Callback done)
{
    DeferredCalls deferred;
    auto const held = line().lock();
    auto& book = book_.with(*held);
    auto const fail = [&](Error error) { deferred.add([done, error] { done({error}); }); };
    if (!held->is_ready()) return fail(Error::NotReady);
    if (book.requests.size() == most_requests) return fail(Error::Busy);

    auto const bytes = std::as_bytes(std::span{&message, 1});
    book.requests.push_back({++book.state.number, {bytes.begin(), bytes.end()}, operation, std::move(done)});
    executor().run_after(patience, [weak = weak_from_this(), number = book.state.number] {
        if (auto const self = std::static_pointer_cast<KeyValueService>(weak.lock())) self->time_is_up(number);
    });
    send_next(*held, deferred);
}

void KeyValueService::send_next(Line& line, DeferredCalls& deferred)
{
    auto& book = book_.with(line);
    while (!book.requests.empty() && !line.waits_for_answer()) {
        auto& request = book.requests.front();
        if (ask(line, request.message)) {
            request.sent = true;
            return;
        }
        finish_first(book, Error::NotReady, deferred); // a guest whose ring has no room
    }
}

void KeyValueService::answered(Line& line, Answer const& answer, DeferredCalls& deferred)
{
    auto& book = book_.with(line);
    if (book.requests.empty() || !book.requests.front().sent)
        return send_next(line, deferred); // whoever asked has given up

    auto& request = book.requests.front();
    auto error = answer.status == ic::status::success ? Error::None : Error::Refused;
    bool more = false;
    if (request.operation == Operation::Enumerate) {
        if (answer.status == ic::status::no_more_items) {
            error = Error::None;
        } else if (error == Error::None) {
            error = take_pair(request, answer);
            more = error == Error::None && request.result.pairs.size() < most_pairs;
        }
    } else if (request.operation == Operation::GetAddresses && error == Error::None) {
        error = take_addresses(request, answer);
    }
    if (!more) finish_first(book, error, deferred);
    send_next(line, deferred);
}

KeyValueService::Error KeyValueService::take_pair(Request& request, Answer const& answer)
{
    key_value::EnumerateMessage message{};
    if (!answer.read(message)) return Error::Malformed;
    auto text = value_text(message.value);
    if (!text) return Error::Malformed;
    request.result.pairs.push_back({from_utf16(field(message.value.key, message.value.key_size)), std::move(*text)});

    auto const next = static_cast<std::uint32_t>(request.result.pairs.size());
    std::memcpy(request.message.data() + offsetof(key_value::EnumerateMessage, index), &next, sizeof next);
    return Error::None;
}

KeyValueService::Error KeyValueService::take_addresses(Request& request, Answer const& answer)
{
    key_value::AddressMessage message{};
    if (!answer.read(message)) return Error::Malformed;
    request.result.addresses = {from_utf16(message.addresses), from_utf16(message.subnets),
                                from_utf16(message.gateways), from_utf16(message.dns_servers), message.dhcp != 0};
    return Error::None;
}

void KeyValueService::time_is_up(std::uint64_t number)
{
    DeferredCalls deferred;
    auto const held = line().lock();
    auto& book = book_.with(*held);
    auto const found = std::ranges::find(book.requests, number, &Request::number);
    if (found == book.requests.end()) return;
    deferred.add([done = std::move(found->done)] { done({Error::TimedOut}); });
    ++book.state.requests_finished;
    book.requests.erase(found);
}

void KeyValueService::closed(Line& line, DeferredCalls& deferred)
{
    auto& book = book_.with(line);
    while (!book.requests.empty())
        finish_first(book, Error::Gone, deferred);
}

void KeyValueService::finish_first(Book& book, Error error, DeferredCalls& deferred)
{
    auto request = std::move(book.requests.front());
    book.requests.pop_front();
    ++book.state.requests_finished;
    request.result.error = error;
    deferred.add([done = std::move(request.done), result = std::move(request.result)] { done(result); });
}

void KeyValueService::inspect_more(Line const& line, hv::Inspector& inspector) const
{
    auto const& book = book_.with(line);
    inspector.number("requests_waiting", book.requests.size());
    show(inspector, book.state);
}

std::string_view to_string(KeyValueService::Error error)
{
    using Error = KeyValueService::Error;
    switch (error) {
    case Error::None: return "";
    case Error::NotReady: return "the guest's driver for it does not listen, or its daemon does not run";
    case Error::Busy: return "too many requests wait already";
    case Error::TooLong: return "the key or the value is too long";
    case Error::TimedOut: return "the guest did not answer in time";
    case Error::Gone: return "the guest stopped listening";
    case Error::Refused: return "the guest cannot do that";
    case Error::Malformed: return "the guest's answer makes no sense";
    }
    return "";
}

} // namespace devices::vmbus
