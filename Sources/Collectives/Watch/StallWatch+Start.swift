import COpenMPI
import Diagnostics
import Foundation

/// The beginning of the watch: the first thing after MPI_Init, without a message that could wait forever.
extension StallWatch {
    /// Bytes of the message by which rank 0 says where it is reached.
    private static let placeBytes = 4_096
    private static let tag = Int32(MessageTags.watch.first)

    /// Begins to watch; all ranks together, more than one.
    ///
    /// - Parameter machine: equal for ranks of one machine.
    /// - Throws: `Failure` (`.failed`) when a rank does not come here within the limit.
    static func start(_ handle: MPI_Comm, rank: Int, size: Int, host: String, machine: String, limit: StallLimit) throws {
        // Equal for ranks that reach each other over the loopback device: the same kernel and network.
        let place = machine + ((try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")) ?? "")
        allowConnections(size)
        if rank == 0 {
            try startFirst(handle, size: size, host: host, place: place, limit: limit)
        } else {
            try startOther(handle, rank: rank, size: size, host: host, place: place, limit: limit)
        }
    }

    private static func allowConnections(_ count: Int) {
        guard count > 500 else { return }
        var allowed = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &allowed) == 0 else { return }
        allowed.rlim_cur = allowed.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &allowed)
    }

    // MARK: Rank 0

    /// Says to all where it is, takes their connections and hears from each whether it has connected.
    private static func startFirst(_ handle: MPI_Comm, size: Int, host: String, place: String, limit: StallLimit) throws {
        let listener = WatchListener(local: JobEnvironment().isOnOneHost, size: size)
        let text = [
            "\(listener?.port ?? 0)", listener?.token ?? "", WatchSocket.ownAddresses().joined(separator: ","), place, host, "\(getpid())",
        ].joined(separator: "\t")
        let message = UnsafeMutablePointer<UInt8>.allocate(capacity: placeBytes), words = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
        message.initialize(repeating: 0, count: placeBytes)
        let said = text.utf8.prefix(placeBytes - 1)
        for (place, byte) in said.enumerated() { message[place] = byte }
        words.initialize(repeating: 0, count: size)
        var waiting: [(rank: Int, requests: [MPI_Request?])] = []
        for other in 1..<size {
            var requests = [MPI_Request?](repeating: nil, count: 2)
            try Communicator.check(MPI_Irecv(words + other, 1, UInt8.messageType, Int32(other), tag, handle, &requests[0]), "MPI_Irecv", rank: 0)
            try Communicator.check(
                MPI_Isend(message, Int32(said.count), UInt8.messageType, Int32(other), tag, handle, &requests[1]), "MPI_Isend", rank: 0)
            waiting.append((other, requests))
        }
        let began = now()
        while true {
            for place in waiting.indices { waiting[place].requests = try unfinished(waiting[place].requests, rank: 0) }
            waiting.removeAll { $0.requests.isEmpty }
            if waiting.isEmpty { break }
            if let seconds = limit.seconds, now() - began > seconds {
                // Those that have come wait for an answer; the messages under way still use the buffers.
                for guest in (listener?.end(0, patience: 0) ?? [:]).values { guest.socket.send(.aborting(1)) }
                throw missing(waiting.map(\.rank), seconds, host: host, limit)
            }
            usleep(200)
        }
        let connected = (1..<size).filter { words[$0] == 1 }.count
        message.deallocate()
        words.deallocate()
        let guests = listener?.end(connected, patience: 3) ?? [:]
        var book = WatchBook(hosts: [String](repeating: "", count: size), processes: [Int](repeating: 0, count: size))
        book.introduce(0, host: host, process: Int(getpid()))
        for (rank, guest) in guests { book.introduce(rank, host: guest.host, process: guest.process) }
        let watch = StallWatch(handle, rank: 0, size: size, limit: limit, book: book)
        for (rank, guest) in guests {
            guest.socket.send(.welcome)
            watch.hearOf(rank, over: guest.socket)
        }
        for (rank, guest) in guests.sorted(by: { $0.key < $1.key }) where rank > 1 {
            guests[1]?.socket.send(.member(rank, process: guest.process, host: guest.host))
        }
        let unwatched = (1..<size).filter { guests[$0] == nil }
        watch.begin(
            unwatched.isEmpty
                ? []
                : [
                    "warning: \(ranksInWords(unwatched)) cannot reach host '\(host)' by TCP: nobody watches whether they stop or die; "
                        + "open the ports between the hosts"
                ])
    }

    // MARK: The others

    private static func startOther(_ handle: MPI_Comm, rank: Int, size: Int, host: String, place: String, limit: StallLimit) throws {
        let message = UnsafeMutablePointer<UInt8>.allocate(capacity: placeBytes), word = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
        message.initialize(repeating: 0, count: placeBytes)
        var request: MPI_Request?
        try Communicator.check(MPI_Irecv(message, Int32(placeBytes), UInt8.messageType, 0, tag, handle, &request), "MPI_Irecv", rank: rank)
        try wait(request, rank: rank, host: host, limit)
        let parts = String(decoding: UnsafeBufferPointer(start: message, count: placeBytes).prefix { $0 != 0 }, as: UTF8.self)
            .components(separatedBy: "\t")
        var socket: WatchSocket?
        if parts.count == 6, let port = UInt16(parts[0]), port > 0 {
            let addresses = (parts[3] == place ? ["127.0.0.1"] : []) + parts[2].split(separator: ",").map(String.init)
            socket = WatchSocket.connect(addresses, port: port, seconds: 3)
            socket?.send(.greeting(token: parts[1], rank: rank, process: Int(getpid()), host: host))
        }
        if let socket {
            var book = WatchBook(hosts: [String](repeating: "", count: size), processes: [Int](repeating: 0, count: size))
            book.introduce(0, host: parts[4], process: Int(parts[5]) ?? 0)
            book.introduce(rank, host: host, process: Int(getpid()))
            let watch = StallWatch(handle, rank: rank, size: size, limit: limit, book: book)
            watch.hearOf(0, over: socket)
            watch.begin([])
        }
        word.pointee = socket == nil ? 0 : 1
        try Communicator.check(MPI_Isend(word, 1, UInt8.messageType, 0, tag, handle, &request), "MPI_Isend", rank: rank)
        try wait(request, rank: rank, host: host, limit)
        message.deallocate()
        word.deallocate()
    }

    /// Waits for a message from or to rank 0, not longer than rank 0 itself would wait.
    private static func wait(_ request: MPI_Request?, rank: Int, host: String, _ limit: StallLimit) throws {
        var requests = [request]
        let began = now()
        while true {
            requests = try unfinished(requests, rank: rank)
            if requests.isEmpty { return }
            if let seconds = limit.seconds, now() - began > seconds + turn(of: rank) { throw missing([0], seconds, host: host, limit) }
            usleep(200)
        }
    }

    /// The requests that are still under way.
    private static func unfinished(_ requests: [MPI_Request?], rank: Int) throws -> [MPI_Request?] {
        try requests.filter { request in
            var request = request, isDone: Int32 = 0, status = MPI_Status()
            try Communicator.check(MPI_Test(&request, &isDone, &status), "MPI_Test", rank: rank)
            return isDone == 0
        }
    }

    private static func missing(_ ranks: [Int], _ seconds: Double, host: String, _ limit: StallLimit) -> Failure {
        let local = LocalRanks()
        let names = ranks.prefix(4).map { "rank \($0)" + local.words($0, host: host) } + (ranks.count > 4 ? ["\(ranks.count - 4) more"] : [])
        return Failure(
            .failed,
            "\(names.joined(separator: ", ")) \(ranks.count == 1 ? "has" : "have") not joined the other ranks within \(Int(seconds)) s of MPI_Init",
            at: ranks.prefix(8).map { .rank($0) }, advice: limit.advice)
    }
}
