import CSignals
import Foundation

/// A request, by a signal, that a run end at the next suitable moment and continue later: SIGTERM, SIGUSR1 (a batch system's warning before the time
/// limit), or SIGINT (Ctrl-C), which ends the program at once when it comes again.
///
/// Recorded by a handler, checked where the run may end. Which step is the last one must be agreed on by all ranks: a signal may reach one alone.
public enum Interruption {
    /// The signals that end a run with a checkpoint.
    public enum Signal: Int32, CaseIterable, Sendable, CustomStringConvertible {
        case terminate = 15
        case user1 = 10
        case interrupt = 2

        public var description: String {
            switch self {
            case .terminate: "SIGTERM"
            case .user1: "SIGUSR1"
            case .interrupt: "SIGINT"
            }
        }
    }

    /// From now on the three signals are noted instead of ending the program.
    public static func catchSignals() { kairos_interruption_catch() }

    /// The first signal noted.
    public static var asked: Signal? { Signal(rawValue: kairos_interruption_asked()) }

    /// Notes a signal that another rank was sent.
    package static func ask(_ signal: Signal) { kairos_interruption_ask(signal.rawValue) }

    /// - Throws: `Failure` (`.interrupted`) when a signal was noted.
    /// - Parameter place: where the run is, for the message: "in burn-in".
    public static func check(_ place: @autoclosure () -> String) throws {
        if let asked { throw failure(asked, place()) }
    }

    /// The error of a run that a signal ends.
    public static func failure(_ signal: Signal, _ place: String) -> Failure {
        Failure(.interrupted, "\(signal) came \(place)", advice: "start the same command again")
    }
}
