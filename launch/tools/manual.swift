// swift launch/tools/manual.swift DATE < HELP.json > kairos.1
// Makes the man page of a program from what it prints with --experimental-dump-help: all commands with their options, in the order of the program.
import Foundation

struct Help: Decodable {
    struct Name: Decodable {
        let kind: String
        let name: String
        var text: String { kind == "long" ? "--\(name)" : "-\(name)" }
    }
    struct Argument: Decodable {
        let kind: String
        let names: [Name]?
        let valueName: String?
        let abstract: String?
        let discussion: String?
        let defaultValue: String?
        let isOptional: Bool
        let shouldDisplay: Bool
        let isRepeating: Bool

        var title: String {
            let value = "<\(valueName ?? "value")>"
            if kind == "positional" { return value }
            return (names ?? []).map(\.text).joined(separator: ", ") + (kind == "flag" ? "" : " \(value)")
        }
    }
    struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let arguments: [Argument]?
        let subcommands: [Command]?
    }
    let command: Command
}

/// A text as roff reads it: no character of it is a request or an escape.
func roff(_ text: String) -> String {
    text.replacingOccurrences(of: "\\", with: "\\e").replacingOccurrences(of: "-", with: "\\-").split(separator: "\n", omittingEmptySubsequences: false)
        .map { $0.hasPrefix(".") || $0.hasPrefix("'") ? "\\&\($0)" : String($0) }.joined(separator: "\n")
}

func lines(_ command: Help.Command, path: [String]) -> [String] {
    // The help of each command and the version, once, are no options of their own here.
    let arguments = (command.arguments ?? []).filter { argument in
        argument.shouldDisplay && !(argument.names ?? []).contains { $0.kind == "long" && ["help", "version"].contains($0.name) }
    }
    let name = (path + [command.commandName]).joined(separator: " ")
    var result: [String] = []
    if !path.isEmpty {
        let title = roff(name).replacingOccurrences(of: "\"", with: "\\(dq")
        result += [".SH \"\(title)\"", roff(command.abstract ?? ""), ".PP"]
        let positional = arguments.filter { $0.kind == "positional" }.map { ($0.isOptional ? "[\($0.title)]" : $0.title) + ($0.isRepeating ? " ..." : "") }
        let rest = arguments.count > positional.count ? ["[options]"] : []
        if command.subcommands?.isEmpty ?? true { result += [".B \(roff(name))", roff((positional + rest).joined(separator: " "))] }
    }
    if let discussion = command.discussion, !discussion.isEmpty { result += [".PP", ".nf", roff(discussion), ".fi"] }
    for argument in arguments {
        var text = [argument.abstract, argument.discussion].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: " ")
        if let value = argument.defaultValue, !value.isEmpty { text += " (default: \(value))" }
        result += [".TP", ".B \(roff(argument.title))", roff(text)]
    }
    for sub in command.subcommands ?? [] where sub.commandName != "help" { result += lines(sub, path: path + [command.commandName]) }
    return result
}

guard CommandLine.arguments.count == 2 else {
    FileHandle.standardError.write(Data("error: no date\n  do: write swift launch/tools/manual.swift DATE < HELP.json > kairos.1\n".utf8))
    exit(2)
}
do {
    let command = try JSONDecoder().decode(Help.self, from: FileHandle.standardInput.readDataToEndOfFile()).command
    let name = command.commandName
    let head = [
        ".TH \(name.uppercased()) 1 \"\(roff(CommandLine.arguments[1]))\"", ".SH NAME", "\(name) \\- \(roff(command.abstract ?? ""))", ".SH SYNOPSIS",
        ".B \(name)", "<command> [options]", ".PP", ".B \(name)", "<command> \\-\\-help", ".SH DESCRIPTION",
    ]
    print((head + lines(command, path: [])).joined(separator: "\n"))
} catch {
    FileHandle.standardError.write(Data("error: standard input is not the help of a program: \(error)\n  do: pipe PROGRAM --experimental-dump-help into it\n".utf8))
    exit(3)
}
