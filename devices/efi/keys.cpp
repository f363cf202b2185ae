#include "devices/efi/keys.hpp"

namespace efi {

namespace {

constexpr uint32_t shifts = shift_state::left_shift | shift_state::right_shift;
constexpr uint32_t controls = shift_state::left_control | shift_state::right_control;
constexpr uint32_t caps_lock_code = 0x3A;

// By scan codes, from 0 on; 0: no character.
constexpr char below[] = "\0\0" // NOLINT(*-avoid-c-arrays): there is no C++ library, here and below
                         "1234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
constexpr char above[] = "\0\0" // NOLINT(*-avoid-c-arrays)
                         "!@#$%^&*()_+\b\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
static_assert(sizeof below == 0x3A + 1 && sizeof above == sizeof below);
static_assert(below[0x1E] == 'a' && below[0x2C] == 'z' && below[0x39] == ' ' && above[0x28] == '"');

struct Meaning {
    uint16_t code;
    uint16_t scan;  ///< §12.3.2's table, appendix B
    char character; ///< 0: none
};

constexpr Meaning others[] = {
    // NOLINT(*-avoid-c-arrays)
    {0x01, 0x17, 0}, // Esc
    {0x3B, 0x0B, 0}, // F1 to F10
    {0x3C, 0x0C, 0},   {0x3D, 0x0D, 0},   {0x3E, 0x0E, 0},   {0x3F, 0x0F, 0},
    {0x40, 0x10, 0},   {0x41, 0x11, 0},   {0x42, 0x12, 0},   {0x43, 0x13, 0},
    {0x44, 0x14, 0},   {0x57, 0x15, 0},   {0x58, 0x16, 0},                      // F11, F12
    {0xE048, 0x01, 0}, {0xE050, 0x02, 0}, {0xE04D, 0x03, 0}, {0xE04B, 0x04, 0}, // up, down, right, left
    {0xE047, 0x05, 0}, {0xE04F, 0x06, 0},                                       // Home, End
    {0xE052, 0x07, 0}, {0xE053, 0x08, 0},                                       // Insert, Delete
    {0xE049, 0x09, 0}, {0xE051, 0x0A, 0},                                       // Page Up, Page Down
    {0x47, 0x05, 0},   {0x48, 0x01, 0},   {0x49, 0x09, 0},                      // the number pad's, without Num Lock
    {0x4B, 0x04, 0},   {0x4D, 0x03, 0},   {0x4F, 0x06, 0},   {0x50, 0x02, 0},
    {0x51, 0x0A, 0},   {0x52, 0x07, 0},   {0x53, 0x08, 0},   {0x4A, 0, '-'},
    {0x4E, 0, '+'},    {0xE01C, 0, '\r'}, {0xE035, 0, '/'},  {0x56, 0, '\\'}, // of keyboards with 102 keys
};

uint32_t shift_of(uint32_t code)
{
    switch (code) {
    case 0x2A: return shift_state::left_shift;
    case 0x36: return shift_state::right_shift;
    case 0x1D: return shift_state::left_control;
    case 0xE01D: return shift_state::right_control;
    case 0x38: return shift_state::left_alt;
    case 0xE038: return shift_state::right_alt;
    case 0xE05B: return shift_state::left_logo;
    case 0xE05C: return shift_state::right_logo;
    default: return 0;
    }
}

bool is_letter(char character)
{
    return character >= 'a' && character <= 'z';
}

bool find(uint32_t code, bool shifted, bool capitals, InputKey& key)
{
    if (code < sizeof below - 1 && below[code] != 0) {
        bool const upper = is_letter(below[code]) ? shifted != capitals : shifted;
        key = {0, static_cast<char16_t>(upper ? above[code] : below[code])};
        return true;
    }
    for (auto const& one : others) {
        if (one.code != code) continue;
        key = {one.scan, static_cast<char16_t>(one.character)};
        return true;
    }
    return false;
}

} // namespace

bool KeyTranslator::stroke(uint32_t code, bool release, KeyData& key)
{
    if (auto const shift = shift_of(code)) {
        shift_ = release ? shift_ & ~shift : shift_ | shift;
        return false;
    }
    if (release) return false;
    if (code == caps_lock_code) {
        caps_lock_ = !caps_lock_;
        return false;
    }
    if (!find(code, (shift_ & shifts) != 0, caps_lock_, key.key)) return false;
    // The character says that Shift was pressed.
    auto const told = key.key.character > u' ' ? shift_ & ~shifts : shift_;
    key.state = {shift_state::valid | told,
                 static_cast<uint8_t>(toggle_state::valid | (caps_lock_ ? toggle_state::caps_lock : 0))};
    return true;
}

InputKey control_character(KeyData const& key)
{
    auto const character = key.key.character;
    bool const lower = character >= u'a' && character <= u'z';
    bool const upper = character >= u'A' && character <= u'Z';
    if ((key.state.shift & controls) == 0 || !(lower || upper)) return key.key;
    return {key.key.scan_code, static_cast<char16_t>(character - (lower ? u'a' : u'A') + 1)};
}

bool matches(KeyData const& registered, KeyData const& key)
{
    return registered.key.scan_code == key.key.scan_code && registered.key.character == key.key.character &&
           (registered.state.shift == 0 || registered.state.shift == key.state.shift) &&
           (registered.state.toggle == 0 || registered.state.toggle == key.state.toggle);
}

} // namespace efi
