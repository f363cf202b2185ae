#include "vmm/cli/ctl_command.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/control/command.hpp"

#include <algorithm>
#include <map>
#include <span>

namespace vmm {

namespace {

struct Argument {
    std::string name;
    bool optional;
};

std::vector<Argument> arguments_of(control::Command const& command)
{
    std::vector<Argument> arguments;
    auto rest = command.arguments;
    while (!rest.empty()) {
        auto name = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        bool const optional = name.ends_with('?');
        if (optional) name.remove_suffix(1);
        arguments.push_back({std::string{name}, optional});
    }
    return arguments;
}

std::string usage(control::Command const& command)
{
    std::string text{command.name};
    for (auto const& argument : arguments_of(command)) {
        auto name = argument.name;
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
        text += argument.optional ? " [" + name + "]" : " " + name;
    }
    return text;
}

std::string all_commands()
{
    constexpr std::size_t column = 32;
    std::string text = "Commands:\n";
    for (auto const& command : control::commands()) {
        auto line = "  " + usage(command);
        line.append(line.size() < column ? column - line.size() : 1, ' ');
        text.append(line).append(command.help).append("\n");
    }
    return text + "See also porthole(1).";
}

control::Arguments read_arguments(control::Command const& command, std::span<std::string const> words)
{
    std::map<std::string, std::string> values;
    auto const arguments = arguments_of(command);
    auto const needed = std::ranges::count(arguments, false, &Argument::optional);
    if (words.size() < static_cast<std::size_t>(needed) || words.size() > arguments.size())
        throw UserError{"write 'porthole ctl PATH " + usage(command) + "': see 'porthole ctl --help'"};
    for (std::size_t i = 0; i < words.size(); ++i)
        values.emplace(arguments[i].name, words[i]);
    return control::Arguments{std::move(values)};
}

} // namespace

CtlCommand::CtlCommand(CLI::App& app)
    : command_{*app.add_subcommand("ctl", "Control the guests of a running Porthole")}
{
    command_.allow_extras();
    command_.footer(all_commands());
    command_.add_option("PATH", words_, "the run's control socket, then a command and its arguments")
        ->type_name("COMMAND [ARGUMENT...]");
    command_.add_option("--guest", guest_, "which guest, when there are several")->type_name("NAME");
    command_.add_flag("--json", json_, "print the answer as JSON, on one line");
}

CtlRequest CtlCommand::finished() const
{
    constexpr auto help = ": see 'porthole ctl --help'";
    if (words_.size() < 2) throw UserError{std::string{"say 'porthole ctl PATH COMMAND'"} + help};
    auto const& name = words_[1];
    auto const* const command = control::find_command(name);
    if (!command) throw UserError{"there is no command '" + name + "'" + help};

    CtlRequest request{.path = words_[0], .request = {.command = name}, .json = json_};
    request.request.arguments = read_arguments(*command, std::span{words_}.subspan(2));
    if (!guest_.empty()) request.request.guest = guest_;
    return request;
}

} // namespace vmm
