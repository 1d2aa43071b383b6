import Diagnostics
import Foundation

/// Validates the index of an HDF5 file without a seal before the HDF5 library reads it, which trusts lengths, counts and offsets.
///
/// Known is the classic form, in which the library writes unless told otherwise: first block of version 0, object headers of version 1, groups as
/// symbol tables. Files of other forms, and the parts that come in no store, pass unseen. Source: "HDF5 File Format Specification Version 3.0",
/// The HDF Group.
struct HDF5Structure {
    /// Where something is wrong, and what.
    struct Fault: Error {
        var what: String
        var place: Int
    }

    static let undefined = UInt64.max
    /// Objects, blocks and entries together: far more than a store or checkpoint has.
    private static let most = 10_000_000

    private let file: Int32
    /// Bytes that belong to the HDF5 file.
    let end: Int
    private var leafCount = 0
    private var nodeCount = 0
    private var objects: Set<Int> = []
    private var work = 0
    /// Objects of global heaps by place: their sizes by number.
    private var collections: [Int: [Int: Int]] = [:]

    private init(file: Int32, end: Int) {
        self.file = file
        self.end = end
    }

    /// - Throws: `Failure.badInput` for an index that contradicts itself or leads out of the file.
    static func check(_ path: String) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return }
        defer { close(file) }
        var information = stat()
        guard fstat(file, &information) == 0 else { return }
        let size = Int(information.st_size)
        var head = [UInt8](repeating: 0, count: 96)
        // What is shorter, or of another form, is the library's.
        guard pread(file, &head, 96, 0) == 96, head[8] == 0, head[13] == 8, head[14] == 8 else { return }
        let block = HDF5Bytes(head, place: 0)
        do {
            let promised = try block.number(40)
            // The library's own message says by how much the file is too short.
            guard promised <= UInt64(size) else { return }
            var structure = HDF5Structure(file: file, end: Int(promised))
            try structure.walk(block)
        } catch let fault as Fault {
            throw Failure.badInput(
                "the file's index is damaged: \(fault.what) at byte \(fault.place)", at: .file(path),
                advice: "copy the file again from its source, or make it again")
        }
    }

    private mutating func walk(_ block: HDF5Bytes) throws {
        guard block.bytes[9] == 0, block.bytes[10] == 0, block.bytes[12] == 0, try block.number(24) == 0 else {
            throw Fault(what: "a first block of no known version", place: 8)
        }
        leafCount = 2 * Int(try block.number(16, bytes: 2))
        nodeCount = 2 * Int(try block.number(18, bytes: 2))
        guard leafCount > 0, nodeCount > 0 else { throw Fault(what: "groups without room", place: 16) }
        try entry(block, 56, depth: 0)
    }

    /// A symbol table entry of 40 bytes: an object, whose header may be named beside the places of its group.
    private mutating func entry(_ block: HDF5Bytes, _ first: Int, depth: Int) throws {
        let group = try object(Int(clamping: try block.number(first + 8)), depth: depth)
        switch try block.number(first + 16, bytes: 4) {
        case 0, 2: break
        case 1:
            guard let group, try block.number(first + 24) == UInt64(group.tree), try block.number(first + 32) == UInt64(group.heap) else {
                throw Fault(what: "a group of two places", place: block.place + first + 24)
            }
        default: throw Fault(what: "an entry of no known kind", place: block.place + first + 16)
        }
    }

    // MARK: Blocks

    mutating func read(_ place: Int, _ count: Int) throws -> HDF5Bytes {
        guard place >= 0, count >= 0, place <= end, count <= end - place else {
            throw Fault(what: "a block beyond the end of the file", place: place)
        }
        work += 1
        guard work <= Self.most else { throw Fault(what: "an index without end", place: place) }
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let found = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress.map { $0 + done }, count - done, off_t(place + done)) }
            guard found > 0 else { throw Fault(what: "a block that cannot be read", place: place) }
            done += found
        }
        return HDF5Bytes(bytes, place: place)
    }

    private mutating func read(_ place: Int, _ count: Int, signature: String) throws -> HDF5Bytes {
        let block = try read(place, count)
        guard Array(block.bytes.prefix(4)) == Array(signature.utf8) else { throw Fault(what: "'\(signature)' is missing", place: place) }
        return block
    }

    /// - Returns: the places of a group's tree and heap; nil for a dataset.
    mutating func object(_ place: Int, depth: Int) throws -> (tree: Int, heap: Int)? {
        guard depth <= 64 else { throw Fault(what: "groups nested more than 64 deep", place: place) }
        let head = try read(place, 16)
        // Of another form, or seen already.
        guard head.bytes[0] == 1 else {
            if Array(head.bytes.prefix(4)) == Array("OHDR".utf8) { return nil }
            throw Fault(what: "an object of no known version", place: place)
        }
        let isNew = objects.insert(place).inserted
        var header = ObjectHeader()
        var chunks = [(place: place + 16, count: Int(try head.number(8, bytes: 4)))]
        var next = 0
        while next < chunks.count {
            guard chunks.count <= 1000 else { throw Fault(what: "an object of more than 1000 pieces", place: place) }
            let chunk = try read(chunks[next].place, chunks[next].count)
            next += 1
            var first = 0
            while first < chunk.count {
                let kind = Int(try chunk.number(first, bytes: 2)), size = Int(try chunk.number(first + 2, bytes: 2))
                let flags = try chunk.number(first + 4, bytes: 1)
                let message = try chunk.part(first + 8, size)
                guard size % 8 == 0 else { throw Fault(what: "a message of \(size) bytes", place: message.place) }
                first += 8 + size
                if kind == 0x10 {
                    chunks.append((Int(clamping: try message.number(0)), Int(clamping: try message.number(8))))
                } else if isNew || kind == 0x11 {
                    try self.message(kind, message, isShared: flags & 2 != 0, into: &header, depth: depth)
                }
            }
        }
        if isNew { try requireValues(header) }
        guard let group = header.group else { return nil }
        if isNew {
            let names = try heap(group.heap)
            try tree(group.tree, level: nil, names, depth: depth)
        }
        return group
    }

    /// The names of a group.
    private mutating func heap(_ place: Int) throws -> HDF5Bytes {
        let head = try read(place, 32, signature: "HEAP")
        guard head.bytes[4] == 0 else { throw Fault(what: "a heap of no known version", place: place) }
        let names = try read(Int(clamping: try head.number(24)), Int(clamping: try head.number(8)))
        // The list of free pieces; 1 ends it.
        var free = Int(clamping: try head.number(16)), steps = 0
        while free != 1, free != Int.max {
            guard free <= names.count else { throw Fault(what: "a free piece beyond its heap", place: place) }
            let size = Int(clamping: try names.number(free + 8))
            steps += 1
            guard free % 8 == 0, size >= 16, size <= names.count - free, steps <= names.count / 16 else {
                throw Fault(what: "a free piece of \(size) bytes", place: names.place + free)
            }
            free = Int(clamping: try names.number(free))
        }
        return names
    }

    private mutating func tree(_ place: Int, level: Int?, _ names: HDF5Bytes, depth: Int) throws {
        let node = try read(place, 24 + 8 * (2 * nodeCount + 1), signature: "TREE")
        let found = Int(node.bytes[5]), count = Int(try node.number(6, bytes: 2))
        guard node.bytes[4] == 0, found == level ?? found, found <= 32, count <= nodeCount else {
            throw Fault(what: "a tree of no known kind, or with \(count) entries", place: place)
        }
        for index in 0..<count {
            _ = try names.text(Int(clamping: try node.number(24 + 16 * index)))
            _ = try names.text(Int(clamping: try node.number(40 + 16 * index)))
            let child = Int(clamping: try node.number(32 + 16 * index))
            if found > 0 {
                try tree(child, level: found - 1, names, depth: depth)
            } else {
                try symbols(child, names, depth: depth)
            }
        }
    }

    private mutating func symbols(_ place: Int, _ names: HDF5Bytes, depth: Int) throws {
        let node = try read(place, 8 + 40 * leafCount, signature: "SNOD")
        let count = Int(try node.number(6, bytes: 2))
        guard node.bytes[4] == 1, count <= leafCount else { throw Fault(what: "a group's list of \(count) entries", place: place) }
        for index in 0..<count {
            _ = try names.text(Int(clamping: try node.number(8 + 40 * index)))
            // A symbolic link has no object.
            if try node.number(24 + 40 * index, bytes: 4) == 2 {
                _ = try names.text(Int(try node.number(32 + 40 * index, bytes: 4)))
            } else {
                try entry(node, 8 + 40 * index, depth: depth + 1)
            }
        }
    }

    /// The objects of a global heap: sizes by number.
    mutating func collection(_ place: Int) throws -> [Int: Int] {
        if let known = collections[place] { return known }
        let head = try read(place, 16, signature: "GCOL")
        let block = try read(place, Int(clamping: try head.number(8)))
        guard block.count >= 16, block.bytes[4] == 1 else { throw Fault(what: "a global heap of no known version", place: place) }
        var sizes: [Int: Int] = [:], first = 16
        while block.count - first >= 16 {
            let number = Int(try block.number(first, bytes: 2)), size = Int(clamping: try block.number(first + 8))
            guard size <= block.count - first, number == 0 ? size >= 16 : size <= block.count - first - 16 else {
                throw Fault(what: "an object of \(size) bytes in a global heap", place: place + first)
            }
            guard number == 0 || sizes.updateValue(size, forKey: number) == nil else {
                throw Fault(what: "an object that stands twice in a global heap", place: place + first)
            }
            first += number == 0 ? (size + 7) / 8 * 8 : 16 + (size + 7) / 8 * 8
        }
        collections[place] = sizes
        return sizes
    }
}

/// Bytes of a file, none of which is read beyond them.
struct HDF5Bytes {
    let bytes: [UInt8]
    /// In the file.
    let place: Int
    var count: Int { bytes.count }

    init(_ bytes: [UInt8], place: Int) {
        self.bytes = bytes
        self.place = place
    }

    /// Little-endian.
    func number(_ first: Int, bytes count: Int = 8) throws -> UInt64 {
        guard first >= 0, first <= bytes.count, count <= bytes.count - first else {
            throw HDF5Structure.Fault(what: "a number beyond its block", place: place)
        }
        return (0..<count).reduce(0) { $0 | UInt64(bytes[first + $1]) << UInt64(8 * $1) }
    }

    func part(_ first: Int, _ count: Int) throws -> HDF5Bytes {
        guard first >= 0, count >= 0, first <= bytes.count, count <= bytes.count - first else {
            throw HDF5Structure.Fault(what: "\(count) bytes beyond their block", place: place + min(max(first, 0), bytes.count))
        }
        return HDF5Bytes(Array(bytes[first..<first + count]), place: place + first)
    }

    /// - Returns: the bytes up to the zero that ends a name.
    func text(_ first: Int) throws -> Int {
        guard bytes.indices.contains(first), let end = bytes[first...].firstIndex(of: 0) else {
            throw HDF5Structure.Fault(what: "a name without end", place: place)
        }
        return end - first
    }
}
