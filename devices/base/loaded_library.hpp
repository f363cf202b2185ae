/// A shared library that is loaded when it is first needed: what it brings with it takes memory that most guests need
/// not pay for.
#pragma once

namespace devices {

/// Stays loaded.
class LoadedLibrary {
  public:
    /// "NBD disks", "libnbd.so.0", and Debian's package of it. Throws std::runtime_error with one line that says what
    /// to do.
    LoadedLibrary(char const* user, char const* file, char const* package);

    /// `member` becomes the library's function of that name. Throws likewise.
    template <typename Function>
    void find(char const* name, Function*& member) const
    {
        member = reinterpret_cast<Function*>(address(name));
    }

  private:
    [[nodiscard]] void* address(char const* name) const;
    [[noreturn]] void refuse() const;

    char const* user_;
    char const* file_;
    char const* package_;
    void* handle_;
};

} // namespace devices
