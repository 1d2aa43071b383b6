import ArgumentParser
import CommandSupport
import Diagnostics
import Dispatch
import Foundation
import PostProcessing
import RandomStreams
import TemporalAnnotations
import TrainingMethods

struct BenchmarkSuppressionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suppression",
        abstract: "Soft-NMS of one recording's candidates, class by class, on one thread.",
        discussion: """
            Examples:
              kairos benchmark suppression --candidates 2000 --classes 20
              kairos benchmark suppression --written candidates.json --json    # for another program to do the same work

            Candidates are random, clustered around some segments like those of a detector. `launch/compare-pytorch` \
            times the published C++ on the same ones.
            """)

    @Option(help: "Candidates of each class.")
    var candidates = 2000
    @Option(help: "Action classes.")
    var classes = 20
    @Option(help: "Most detections kept, per class and in all; 0 keeps all.")
    var limit = 200
    @Option(help: "Number of measurements, after one that is not counted.")
    var repetitions = 5
    @Option(help: "Seed of the random candidates.")
    var seed = 0
    @Option(help: "Also write candidates and survivors as JSON.")
    var written: String?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        for (name, value) in [("candidates", candidates), ("classes", classes), ("repetitions", repetitions)] where value < 1 {
            throw ValidationError("--\(name) must be at least 1, not \(value)")
        }
        for (name, value) in [("limit", limit), ("seed", seed)] where value < 0 {
            throw ValidationError("--\(name) must be at least 0, not \(value)")
        }
    }

    private struct Report: Encodable {
        var candidates: Int
        var classes: Int
        var limit: Int
        var kept = 0
        var seconds: [Double] = []
    }

    /// Columns, so that another program reads them at once.
    private struct Columns: Encodable {
        var start: [Float], end: [Float], score: [Float], label: [Int]
        init(_ candidates: [Candidate]) {
            start = candidates.map(\.segment.start)
            end = candidates.map(\.segment.end)
            score = candidates.map(\.score)
            label = candidates.map(\.label)
        }
    }

    func run() throws {
        try MemoryCheck.requireAlone(
            .elements(Candidate.self, counts: [candidates, classes], copies: 4, name: "random candidates", key: "--candidates"))
        let settings = SuppressionSettings(maxSegments: limit), all = made()
        var report = Report(candidates: candidates, classes: classes, limit: limit), kept: [Candidate] = []
        for repetition in 0...repetitions {
            let began = DispatchTime.now().uptimeNanoseconds
            kept = suppress(all, settings: settings)
            if repetition > 0 { report.seconds.append(Double(DispatchTime.now().uptimeNanoseconds - began) * 1e-9) }
        }
        report.kept = kept.count
        if let written {
            let data = try JSONEncoder().encode(["candidates": Columns(all), "kept": Columns(kept)])
            try replaceFile(at: written, with: data)
        }
        try output.report(
            report,
            text: """
                \(candidates) candidates of each of \(classes) classes, \(report.kept) kept
                seconds  \(report.seconds.map { String(format: "%.4f", $0) }.joined(separator: ", "))
                """)
    }

    /// Per class ten segments in 2,304 rows, each with its share of shifted and stretched copies.
    private func made() -> [Candidate] {
        var random = RandomStream(seed: UInt64(seed), "benchmark suppression")
        return (0..<classes).flatMap { label in
            let centers = (0..<10).map { _ in (at: random.uniform(0, 2304), length: random.uniform(4, 200)) }
            return (0..<candidates).map { i in
                let center = centers[i % centers.count]
                let at = center.at + 0.3 * center.length * random.normal(), length = center.length * random.uniform(0.5, 1.5)
                return Candidate(
                    segment: GridSegment(start: max(0, at - length / 2), end: at + length / 2), score: random.uniform(0.001, 1), label: label)
            }
        }
    }
}
