import Diagnostics
import Foundation

/// A TCP connection between the watches of two ranks; never waits.
final class WatchSocket {
    let descriptor: Int32
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private(set) var isOpen = true

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(descriptor) }

    /// Sends a line as far as there is room; the rest waits. While lines wait, `mayBeDropped` ones are left out.
    func send(_ line: WatchLine, mayBeDropped: Bool = false) {
        if mayBeDropped, !output.isEmpty { return flush() }
        output += Array(line.text.utf8) + [UInt8(ascii: "\n")]
        flush()
    }

    private func flush() {
        while isOpen, !output.isEmpty {
            let sent = Glibc.send(descriptor, output, output.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            if sent > 0 {
                output.removeFirst(sent)
            } else if errno != EINTR {
                // No room: later. A broken connection shows when it is read.
                return
            }
        }
    }

    /// The whole lines that have come. `isOpen` is false once the other end has gone.
    func receive() -> [WatchLine] {
        read()
        var lines: [WatchLine] = []
        while let line = takeLine() {
            if let line = WatchLine(line) { lines.append(line) }
        }
        // Nobody of ours writes such lines.
        if input.count > 65_536 { isOpen = false }
        return lines
    }

    /// The first line alone, once it has come.
    func receiveFirst() -> WatchLine? {
        read()
        return takeLine().flatMap { WatchLine($0) }
    }

    private func takeLine() -> String? {
        guard let end = input.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { input.removeFirst(end + 1) }
        return String(decoding: input[..<end], as: UTF8.self)
    }

    private func read() {
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while isOpen {
            let count = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                input += chunk[..<count]
            } else if count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
                isOpen = false
            } else if errno != EINTR {
                break
            }
        }
    }

    // MARK: Making connections

    /// A socket that others connect to, on a free port.
    ///
    /// - Parameter local: reachable from this machine alone.
    static func listen(local: Bool) -> (descriptor: Int32, port: UInt16)? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = local ? UInt32(0x7F00_0001).bigEndian : 0
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && Glibc.listen(descriptor, 4_096) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard isBound else {
            close(descriptor)
            return nil
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// IPv4 addresses of this machine that others may reach.
    static func ownAddresses() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var result: [String] = []
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            let flags = Int32(bitPattern: entry.ifa_flags)
            guard let address = entry.ifa_addr, Int32(address.pointee.sa_family) == AF_INET, flags & Int32(IFF_UP) != 0,
                flags & Int32(IFF_LOOPBACK) == 0
            else { continue }
            var text = [CChar](repeating: 0, count: 64)
            guard getnameinfo(address, socklen_t(MemoryLayout<sockaddr_in>.size), &text, 64, nil, 0, NI_NUMERICHOST) == 0 else { continue }
            result.append(String(untilZero: text))
        }
        return result
    }

    /// Connects to one of several addresses of a machine; nil when none answers within `seconds` each.
    static func connect(_ addresses: [String], port: UInt16, seconds: Double) -> WatchSocket? {
        for text in addresses {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            guard inet_pton(AF_INET, text, &address.sin_addr) == 1 else { continue }
            let candidate = WatchSocket(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
            guard candidate.descriptor >= 0 else { continue }
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(candidate.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if status == 0 { return candidate }
            guard errno == EINPROGRESS else { continue }
            var waiting = pollfd(fd: candidate.descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&waiting, 1, Int32(seconds * 1_000)) == 1 else { continue }
            var error: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            if getsockopt(candidate.descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0, error == 0 { return candidate }
        }
        return nil
    }
}
