import Diagnostics
import Foundation
import TemporalAnnotations

/// Reads the files of the raw HAPT folder.
struct SBHARFolder {
    /// One line of `labels.txt`. Samples count from the start of the recording.
    struct Action {
        var label: Int
        var first: Int
        var last: Int
        var line: Int
    }

    private let folder: String
    private let raw: String

    init(_ folder: String) throws {
        self.folder = folder
        raw = folder + "/RawData"
        var isFolder: ObjCBool = false
        func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue }
        guard !isThere(raw) else { return }
        guard isThere(folder) else { throw Failure.badInput("the folder does not exist", at: .file(folder), advice: "check --source") }
        // One level too high, or too low.
        let contents = FolderContents(folder)
        let inner = contents.folders.first { isThere("\(folder)/\($0)/RawData") }
        let isRaw = contents.paths.contains { $0.hasPrefix("acc_exp") }
        throw Failure.badInput(
            "the folder holds no folder 'RawData'; " + (inner.map { "it lies in '\($0)'" } ?? contents.summary), at: .file(folder),
            advice: inner.map { "give --source '\(folder)/\($0)'" }
                ?? (isRaw
                    ? "give the folder above this one" : "give the unpacked 'HAPT Data Set', which holds RawData, Test and activity_labels.txt"))
    }

    var labelsPath: String { raw + "/labels.txt" }
    func path(_ name: String) -> String { raw + "/\(name).txt" }

    /// The activities in the order of their numbers, which must be 1, 2, ...
    func classes() throws -> ClassMap {
        let path = folder + "/activity_labels.txt"
        var names: [String] = []
        try eachLine(path) { number, words in
            guard words.count == 2, Int(words[0]) == names.count + 1, !names.contains(words[1]) else {
                throw Failure.badInput(
                    "'\(words.joined(separator: " "))' is not the number \(names.count + 1) and a new activity name", at: .file(path), .line(number),
                    advice: "copy the file again from the data set")
            }
            names.append(words[1])
        }
        guard !names.isEmpty else { throw Failure.badInput("the file is empty", at: .file(path), advice: "copy the file again from the data set") }
        return ClassMap(names: names)
    }

    func testUsers() throws -> Set<Int> {
        let path = folder + "/Test/subject_id_test.txt"
        var users: Set<Int> = []
        try eachLine(path) { number, words in
            guard words.count == 1, let user = Int(words[0]) else {
                throw Failure.badInput(
                    "'\(words.joined(separator: " "))' is not a user's number", at: .file(path), .line(number),
                    advice: "copy the file again from the data set")
            }
            users.insert(user)
        }
        return users
    }

    /// The actions of every recording, in the order of the file.
    func labels(classCount: Int) throws -> [String: [Action]] {
        var actions: [String: [Action]] = [:]
        try eachLine(labelsPath) { number, words in
            let numbers = words.compactMap { Int($0) }
            guard words.count == 5, numbers.count == 5 else {
                throw Failure.badInput(
                    "'\(words.joined(separator: " "))' is not five numbers: experiment, user, activity, first sample, last sample",
                    at: .file(labelsPath), .line(number), advice: "copy the file again from the data set")
            }
            guard 1...classCount ~= numbers[2] else {
                throw Failure.badInput(
                    "the activity \(numbers[2]) is unknown; activity_labels.txt names 1 to \(classCount)", at: .file(labelsPath), .line(number),
                    advice: "copy the file again from the data set")
            }
            guard numbers[3] >= 0, numbers[3] < numbers[4] else {
                throw Failure.badInput(
                    "the activity begins at sample \(numbers[3]) and ends at sample \(numbers[4])", at: .file(labelsPath), .line(number),
                    advice: "copy the file again from the data set")
            }
            let name = String(format: "exp%02d_user%02d", numbers[0], numbers[1])
            actions[name, default: []].append(Action(label: numbers[2] - 1, first: numbers[3], last: numbers[4], line: number))
        }
        return actions
    }

    /// Recordings by their acceleration files, sorted by name.
    func recordings() throws -> [(name: String, user: Int)] {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: raw)) ?? []).sorted()
        let found = names.compactMap { name -> (name: String, user: Int)? in
            guard name.hasPrefix("acc_exp"), name.hasSuffix(".txt"), let marker = name.range(of: "_user") else { return nil }
            guard let user = Int(name[marker.upperBound...].dropLast(4)) else { return nil }
            return (String(name.dropFirst(4).dropLast(4)), user)
        }
        guard !found.isEmpty else {
            throw Failure.badInput(
                "the folder holds no recording (acc_expXX_userYY.txt)", at: .file(raw), advice: "give the unpacked 'HAPT Data Set' with its raw data")
        }
        return found
    }

    /// The labelled recordings that are not there.
    func missingRecordings(of labels: [String: [Action]]) -> [(name: String, failure: Failure)] {
        labels.sorted { $0.key < $1.key }.filter { !FileManager.default.fileExists(atPath: path("acc_\($0.key)")) }.map { name, actions in
            let failure = Failure.badInput(
                "the recording '\(name)' is labelled, its file 'acc_\(name).txt' is missing", at: .file(labelsPath), .line(actions[0].line),
                advice: "unpack the data set again")
            return (name, failure)
        }
    }

    func requireFile(_ name: String) throws { _ = try contents(path(name)) }

    /// Lines of a recording that are not empty.
    func sampleCount(_ name: String) throws -> Int {
        let data = try contents(path(name))
        return data.withUnsafeBytes { bytes in
            var count = 0
            var hasText = false
            for byte in bytes {
                if byte == 0x0a {
                    if hasText { count += 1 }
                    hasText = false
                } else if byte > 0x20 {
                    hasText = true
                }
            }
            return count + (hasText ? 1 : 0)
        }
    }

    /// A recording's samples, [count, 3].
    func samples(_ name: String, count: Int) throws -> [Float] {
        let path = self.path(name)
        var text = try contents(path)
        text.append(0)
        var values: [Float] = []
        values.reserveCapacity(count * 3)
        try text.withUnsafeBytes { bytes in
            guard var cursor = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return }
            let end = cursor + bytes.count - 1
            var line = 1
            while cursor < end {
                var found = 0
                while cursor < end, cursor.pointee != 0x0a {
                    if cursor.pointee == 0x20 || cursor.pointee == 0x09 || cursor.pointee == 0x0d {
                        cursor += 1
                        continue
                    }
                    var after: UnsafeMutablePointer<CChar>?
                    let value = strtof(cursor, &after)
                    guard let after, UnsafePointer(after) > cursor, found < 3 else {
                        found = -1
                        break
                    }
                    cursor = UnsafePointer(after)
                    values.append(value)
                    found += 1
                }
                guard found == 3 || found == 0 else {
                    throw Failure.badInput(
                        "the line is not three numbers (x, y, z)", at: .file(path), .line(line), advice: "copy the file again from the data set")
                }
                cursor += 1
                line += 1
            }
        }
        guard values.count == count * 3 else {
            throw Failure.badInput(
                "the file holds \(values.count / 3) samples, the acceleration of the same recording holds \(count)", at: .file(path),
                advice: "copy both files again from the data set")
        }
        return values
    }

    private func contents(_ path: String) throws -> Data {
        try readInput(
            path, unreadable: .badInput("the file is missing or cannot be read", at: .file(path), advice: "unpack the data set again"))
    }

    private func eachLine(_ path: String, _ body: (_ number: Int, _ words: [String]) throws -> Void) throws {
        let text = String(decoding: try contents(path), as: UTF8.self)
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            if !words.isEmpty { try body(index + 1, words) }
        }
    }
}
