/// The answer to one request.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace vmm::control {

/// A handle that may be copied, kept, and used on any thread. The first answer counts. When the last copy goes
/// without one, the client hears that there will be none.
class Reply {
  public:
    /// Takes the answer as a line with its end; called once, on any thread.
    using Send = std::function<void(std::string line)>;

    explicit Reply(Send send);

    /// {"return": value}
    void answer(nlohmann::json const& value) const;
    /// {"error": text}, one line.
    void fail(std::string const& text) const;

  private:
    struct Shared;

    std::shared_ptr<Shared> shared_;
};

/// {"error": text}, as a line.
[[nodiscard]] std::string error_line(std::string const& text);

} // namespace vmm::control
