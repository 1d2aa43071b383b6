import CSignals
import Foundation

/// Waits until what was written to an open file is on the disk, piece by piece, so that a long wait is seen to get on. `fsync` must follow: this
/// leaves out the file's size and name, and does nothing where the file system does not know it.
func writeBack(_ descriptor: Int32) {
    var information = stat()
    guard fstat(descriptor, &information) == 0 else { return }
    let piece = 64 << 20, size = Int(information.st_size)
    guard size > piece else { return }
    for first in stride(from: 0, to: size, by: piece) {
        guard kairos_write_back(descriptor, Int64(first), Int64(piece)) == 0 else { return }
        Activity.tick()
    }
}
