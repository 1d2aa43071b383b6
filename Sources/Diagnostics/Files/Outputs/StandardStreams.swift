import Foundation

/// Standard output, where a result is lost unless it is written whole.
public enum StandardOutput {
    /// Writes a text and the end of its line.
    ///
    /// Where the reader has closed the pipe the process ends as other tools do, by SIGPIPE, without a word.
    ///
    /// - Throws: `Failure` (`.failed`) when not all of it could be written.
    public static func write(_ text: String) throws {
        let code = writeWhole(Data((text + "\n").utf8), to: STDOUT_FILENO)
        guard code != 0 else { return }
        if code == EPIPE {
            signal(SIGPIPE, SIG_DFL)
            UnfinishedFile.removeAll()
            raise(SIGPIPE)
        }
        throw Failure.failed(
            "standard output could not be written: \(String(cString: strerror(code)))",
            advice: "free space where it goes, or send it to another place")
    }

    /// Puts something in the places of standard streams that the starter has closed, so that no file gets their numbers: what is written to
    /// them fails. Lets writing to a pipe without a reader fail instead of ending the program. To be called first.
    public static func secure() {
        signal(SIGPIPE, SIG_IGN)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}

/// Standard error: what it does not take is lost, and the work continues.
public enum StandardError {
    /// Writes a text; what is not taken is lost without an error.
    public static func write(_ text: String) { _ = writeWhole(Data(text.utf8), to: STDERR_FILENO) }
}

/// Writes all of `data`, in as many pieces as it takes.
///
/// - Returns: 0, or the system's number of the error when not all of it was written.
package func writeWhole(_ data: Data, to descriptor: Int32) -> Int32 {
    data.withUnsafeBytes { bytes in
        var first = 0
        while first < bytes.count {
            let count = Foundation.write(descriptor, bytes.baseAddress! + first, bytes.count - first)
            if count > 0 {
                first += count
            } else if count < 0, errno == EAGAIN {
                // A terminal or pipe that others have set not to block.
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, 1_000)
            } else if count < 0, errno != EINTR {
                return errno
            }
        }
        return 0
    }
}
