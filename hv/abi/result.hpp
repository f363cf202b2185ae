#pragma once

#include "hv/abi/status.hpp"

#include <utility>

namespace hv {

/// What an operation brings, or the status that says why it brings nothing.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_{std::move(value)} {}
    /// Not Success.
    Result(Status failure) : status_{failure} {}

    [[nodiscard]] explicit operator bool() const { return status_ == Status::Success; }
    [[nodiscard]] Status status() const { return status_; }
    /// Of a success.
    [[nodiscard]] T& operator*() { return value_; }
    [[nodiscard]] T const& operator*() const { return value_; }
    [[nodiscard]] T const* operator->() const { return &value_; }

  private:
    Status status_ = Status::Success;
    T value_{};
};

} // namespace hv
