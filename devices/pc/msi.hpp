/// Interrupts that a PCI function sends as writes to memory: MSI and MSI-X.
/// Source: PCI Local Bus Specification 3.0 §6.8.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "devices/pc/pci_registers.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <cstdint>
#include <tuple>
#include <vector>

namespace devices {

/// A write of `data` to `address`, both as the guest has set them: any value may come.
struct MsiMessage {
    std::uint64_t address;
    std::uint32_t data;

    friend bool operator==(MsiMessage const&, MsiMessage const&) = default;
};

/// Where they go. From any thread.
class MsiSink {
  public:
    MsiSink() = default;
    MsiSink(MsiSink const&) = delete;
    MsiSink& operator=(MsiSink const&) = delete;
    virtual ~MsiSink() = default;

    virtual void send(MsiMessage const& message) = 0;
};

/// A structure in a function's configuration space. From any thread.
class PciCapability {
  public:
    PciCapability() = default;
    PciCapability(PciCapability const&) = delete;
    PciCapability& operator=(PciCapability const&) = delete;
    virtual ~PciCapability() = default;

    [[nodiscard]] virtual std::uint8_t id() const = 0;
    [[nodiscard]] virtual unsigned dwords() const = 0;
    /// A dword of it; of the first, the lower half is the list's and comes as 0.
    [[nodiscard]] virtual std::uint32_t read(unsigned dword) const = 0;
    virtual void write(unsigned dword, std::uint32_t value, std::uint32_t mask) = 0;
    /// Whether the function may write to memory: interrupts wait until it may.
    virtual void set_bus_master(bool on) = 0;
    /// All but that, which follows from the function's command register.
    virtual void visit(hv::StateVisitor& visitor) = 0;
};

/// MSI with 64-bit addresses and a mask bit for each of up to 32 vectors.
class Msi final : public PciCapability {
  public:
    /// `vectors` is a power of two, 32 at most; throws std::logic_error otherwise. The sink outlives it.
    Msi(unsigned vectors, MsiSink& sink) : registers_{vectors, sink} {}

    /// An interrupt by this vector, or by the one that stands for it when the guest allows fewer. Lost while the
    /// guest has not enabled MSI; kept while it is masked. From any thread.
    void raise(unsigned vector) { registers_.lock()->raise(vector); }
    [[nodiscard]] bool enabled() const { return registers_.lock()->enabled(); }

    [[nodiscard]] std::uint8_t id() const override { return pci::msi; }
    [[nodiscard]] unsigned dwords() const override { return 6; }
    [[nodiscard]] std::uint32_t read(unsigned dword) const override { return registers_.lock()->read(dword); }
    void write(unsigned dword, std::uint32_t value, std::uint32_t mask) override
    {
        registers_.lock()->write(dword, value, mask);
    }
    void set_bus_master(bool on) override { registers_.lock()->set_bus_master(on); }
    void visit(hv::StateVisitor& visitor) override { registers_.lock()->visit(visitor); }

  private:
    /// What the lock guards. Messages leave under it, so that none comes after its vector was masked.
    class Registers {
      public:
        Registers(unsigned vectors, MsiSink& sink);

        void raise(unsigned vector);
        [[nodiscard]] bool enabled() const;
        [[nodiscard]] std::uint32_t read(unsigned dword) const;
        void write(unsigned dword, std::uint32_t value, std::uint32_t mask);
        void set_bus_master(bool on);
        void visit(hv::StateVisitor& visitor);

      private:
        struct State {
            std::uint32_t control = 0;
            std::uint64_t address = 0;
            std::uint32_t data = 0;
            std::uint32_t mask = 0;
            std::uint32_t pending = 0;

            static constexpr auto fields()
            {
                return std::tuple{hv::StateField{"control", &State::control},
                                  hv::StateField{"address", &State::address}, hv::StateField{"data", &State::data},
                                  hv::StateField{"mask", &State::mask}, hv::StateField{"pending", &State::pending}};
            }
        };

        [[nodiscard]] unsigned allowed() const;
        void send_pending();

        unsigned const vectors_;
        MsiSink& sink_;
        State state_;
        bool bus_master_ = false;
    };

    Guarded<Registers, LockRank::Leaf> registers_;
};

/// MSI-X: a table of messages in memory, up to 2,048 of them, and a bit for each that waits.
class Msix final : public PciCapability {
  public:
    /// For the function's BAR `bar`. Throws std::logic_error for a number of vectors that cannot be. The sink
    /// outlives it.
    Msix(unsigned bar, unsigned vectors, MsiSink& sink) : registers_{bar, vectors, sink} {}

    /// As Msi::raise. A vector that does not exist is none.
    void raise(unsigned vector) { registers_.lock()->raise(vector); }
    [[nodiscard]] bool enabled() const { return registers_.lock()->enabled(); }

    /// What stands behind the BAR: the table in the lower half, the pending bits in the upper.
    [[nodiscard]] MmioDevice& memory() { return memory_; }
    [[nodiscard]] std::uint64_t memory_size() const { return registers_.lock()->memory_size(); }

    [[nodiscard]] std::uint8_t id() const override { return pci::msix; }
    [[nodiscard]] unsigned dwords() const override { return 3; }
    [[nodiscard]] std::uint32_t read(unsigned dword) const override { return registers_.lock()->read(dword); }
    void write(unsigned dword, std::uint32_t value, std::uint32_t mask) override
    {
        registers_.lock()->write(dword, value, mask);
    }
    void set_bus_master(bool on) override { registers_.lock()->set_bus_master(on); }
    void visit(hv::StateVisitor& visitor) override { registers_.lock()->visit(visitor); }

  private:
    /// What the lock guards, as in Msi.
    class Registers {
      public:
        Registers(unsigned bar, unsigned vectors, MsiSink& sink);

        void raise(unsigned vector);
        [[nodiscard]] bool enabled() const;
        [[nodiscard]] std::uint32_t read(unsigned dword) const;
        void write(unsigned dword, std::uint32_t value, std::uint32_t mask);
        void set_bus_master(bool on);
        void visit(hv::StateVisitor& visitor);

        [[nodiscard]] std::uint64_t memory_size() const { return memory_size_; }
        [[nodiscard]] std::uint32_t read_memory(std::uint64_t offset) const;
        void write_memory(std::uint64_t offset, unsigned size, std::uint32_t value);

      private:
        static constexpr unsigned entry_dwords = 4;
        using Entry = std::array<std::uint32_t, entry_dwords>; ///< address, its upper half, data, control

        struct State {
            std::uint32_t control = 0;
            std::vector<Entry> table;
            std::vector<std::uint32_t> pending; ///< a bit for each vector

            static constexpr auto fields()
            {
                return std::tuple{hv::StateField{"control", &State::control}, hv::StateField{"table", &State::table},
                                  hv::StateField{"pending", &State::pending}};
            }
        };

        [[nodiscard]] bool is_masked(unsigned vector) const;
        [[nodiscard]] bool is_pending(unsigned vector) const
        {
            return (state_.pending[vector / 32] >> vector % 32 & 1) != 0;
        }
        void send_if_pending(unsigned vector);
        void send_pending();

        unsigned const bar_;
        unsigned const vectors_;
        std::uint64_t const memory_size_;
        MsiSink& sink_;
        State state_;
        bool bus_master_ = false;
    };

    class Memory final : public DwordMmio {
      public:
        explicit Memory(Msix& msix) : msix_{msix} {}

      private:
        [[nodiscard]] std::uint32_t read_dword(std::uint64_t offset, unsigned size) override;
        void write_dword(std::uint64_t offset, unsigned size, std::uint32_t value) override;

        Msix& msix_;
    };

    Memory memory_{*this};
    Guarded<Registers, LockRank::Leaf> registers_;
};

} // namespace devices
