#include "vmm/console/escape.hpp"

namespace vmm {

void EscapeFilter::feed(std::span<std::byte const> typed, std::vector<std::byte>& to_guest,
                        std::vector<ConsoleCommand>& commands)
{
    for (auto const byte : typed) {
        if (!escaped_) {
            escaped_ = byte == escape;
            if (!escaped_) to_guest.push_back(byte);
            continue;
        }

        escaped_ = false;
        switch (static_cast<char>(byte)) {
        case 'x':
        case 'X': commands.push_back(ConsoleCommand::Quit); break;
        case 'h':
        case 'H':
        case '?': commands.push_back(ConsoleCommand::Help); break;
        case 'a':
        case 'A':
        case static_cast<char>(escape): to_guest.push_back(escape); break;
        default: break;
        }
    }
}

} // namespace vmm
