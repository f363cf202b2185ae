/// As much of a UEFI firmware as the driver's input devices use: priorities, events, and the console's registers.
#pragma once

#include "devices/efi/efi.hpp"
#include "devices/firmware/console_mailbox.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/vmbus_guest.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace efi::testing {

/// There is one at a time, as the services are functions that know no more than their arguments.
class Firmware {
  public:
    Firmware()
    {
        the_one = this;
        boot.raise_priority = [](Priority to) { return the_one->raise(to); };
        boot.restore_priority = [](Priority to) { the_one->restore(to); };
        boot.allocate_pool = [](MemoryType, std::size_t size, void** buffer) {
            return the_one->allocate(size, buffer);
        };
        boot.create_event = [](std::uint32_t type, Priority priority, EventFunction function, void* context,
                               Event* event) { return the_one->create(type, priority, function, context, event); };
        boot.set_timer = [](Event event, Timer, std::uint64_t) { return the_one->set_timer(event); };
        boot.signal_event = [](Event event) { return the_one->signal(event); };
        boot.install_multiple_protocol_interfaces = install;
        boot.connect_controller = [](Handle, Handle*, void*, bool) { return success; };
        pci.read_memory = [](PciIo*, PciIo::Width, std::uint8_t bar, std::uint64_t offset, std::size_t,
                             void* buffer) { return the_one->read(bar, offset, buffer); };
        pci.write_memory = [](PciIo*, PciIo::Width, std::uint8_t bar, std::uint64_t offset, std::size_t,
                              void* buffer) { return the_one->write(bar, offset, buffer); };
    }
    Firmware(Firmware const&) = delete;
    Firmware& operator=(Firmware const&) = delete;
    ~Firmware() { the_one = nullptr; }

    /// What somebody does who is at this priority.
    void at(Priority priority, std::function<void()> const& work)
    {
        auto const before = raise(priority);
        work();
        restore(before);
    }
    /// The timers' time has come. Those of a priority that is no higher than the present one wait.
    void tick()
    {
        for (auto const& event : events_)
            if (event->timer) (void)signal(event.get());
    }
    /// CheckEvent (§7.1.6).
    bool check(Event which)
    {
        auto& event = *static_cast<Record*>(which);
        CHECK(event.type == event_notify_wait);
        if (!event.signalled) at(event.priority, [&] { event.function(&event, event.context); });
        return std::exchange(event.signalled, false);
    }
    void exit_boot_services()
    {
        for (auto const& event : events_)
            if (event->type == event_exit_boot_services) event->function(event.get(), event->context);
    }
    /// nullptr when it was not installed.
    template <typename Protocol>
    Protocol* protocol()
    {
        for (auto const& [guid, interface] : installed_)
            if (std::memcmp(guid, &Protocol::guid, sizeof(Guid)) == 0) return static_cast<Protocol*>(interface);
        return nullptr;
    }
    [[nodiscard]] Priority priority() const { return priority_; }

    BootServices boot{};
    PciIo pci{};
    devices::firmware::ConsoleMailbox* console = nullptr; ///< nullptr: the guest has no display

  private:
    struct Record {
        std::uint32_t type;
        Priority priority;
        EventFunction function;
        void* context;
        bool timer = false;
        bool signalled = false;
    };

    Priority raise(Priority to)
    {
        CHECK(to >= priority_); // else it is an error
        return std::exchange(priority_, to);
    }
    void restore(Priority to)
    {
        CHECK(to <= priority_);
        priority_ = to;
        run();
    }
    /// What waits for a lower priority, highest first.
    void run()
    {
        for (;;) {
            Record* next = nullptr;
            for (auto const& event : events_)
                if (event->signalled && (event->type & event_notify_signal) != 0 && event->priority > priority_ &&
                    (!next || event->priority > next->priority))
                    next = event.get();
            if (!next) return;
            next->signalled = false;
            auto const before = std::exchange(priority_, next->priority);
            next->function(next, next->context);
            CHECK(priority_ == next->priority);
            priority_ = before;
        }
    }
    Status allocate(std::size_t size, void** buffer)
    {
        pool_.push_back(std::make_unique<std::byte[]>(size)); // NOLINT(*-avoid-c-arrays)
        std::memset(pool_.back().get(), 0xA5, size);
        *buffer = pool_.back().get();
        return success;
    }
    Status create(std::uint32_t type, Priority priority, EventFunction function, void* context, Event* event)
    {
        events_.push_back(std::make_unique<Record>(Record{type, priority, function, context}));
        *event = events_.back().get();
        return success;
    }
    static Status set_timer(Event event)
    {
        static_cast<Record*>(event)->timer = true;
        return success;
    }
    Status signal(Event event)
    {
        static_cast<Record*>(event)->signalled = true;
        run();
        return success;
    }
    static Status install(Handle* handle, ...) // NOLINT(*-dcl50-cpp): as it is specified
    {
        std::va_list arguments;
        va_start(arguments, handle);
        while (auto const* const guid = va_arg(arguments, Guid const*))
            the_one->installed_[guid] = va_arg(arguments, void*);
        va_end(arguments);
        return success;
    }
    Status read(std::uint8_t bar, std::uint64_t offset, void* buffer)
    {
        if (!console || bar != devices::firmware::console::bar) return unsupported;
        auto const value = static_cast<std::uint32_t>(console->read(offset, 4));
        std::memcpy(buffer, &value, sizeof value);
        return success;
    }
    Status write(std::uint8_t bar, std::uint64_t offset, void const* buffer)
    {
        if (!console || bar != devices::firmware::console::bar) return unsupported;
        std::uint32_t value = 0;
        std::memcpy(&value, buffer, sizeof value);
        console->write(offset, 4, value);
        return success;
    }

    static inline Firmware* the_one = nullptr;
    Priority priority_ = Priority::Application;
    std::vector<std::unique_ptr<Record>> events_;
    std::vector<std::unique_ptr<std::byte[]>> pool_; // NOLINT(*-avoid-c-arrays)
    std::map<Guid const*, void*> installed_;
};

/// The console's registers, with the display behind them.
struct Console {
    std::vector<std::byte> memory = std::vector<std::byte>(std::size_t{8} << 20);
    std::shared_ptr<devices::display::Scanner> scanner = std::make_shared<devices::display::Scanner>(
        std::make_shared<devices::display::Screen>(memory), std::make_shared<hv::testing::CrankedExecutor>());
    devices::firmware::ConsoleMailbox mailbox{scanner, [] { return std::uint64_t{0xF000'0000}; }};
};

} // namespace efi::testing
