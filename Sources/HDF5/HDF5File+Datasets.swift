import CHDF5
import Diagnostics
import Foundation

extension HDF5File {
    // MARK: Writing

    /// float32, row-major.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be written.
    public func writeFloats(_ name: String, shape: [Int], _ values: UnsafePointer<Float>) throws {
        try write(name, shape: shape, stored: kairos_h5t_ieee_f32le(), given: kairos_h5t_native_float(), values)
    }
    /// float32, row-major.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be written, or the values are not as many as the shape has.
    public func writeFloats(_ name: String, shape: [Int], _ values: [Float]) throws {
        try requireCount(values.count, shape, name)
        try values.withUnsafeBufferPointer {
            try write(name, shape: shape, stored: kairos_h5t_ieee_f32le(), given: kairos_h5t_native_float(), $0.baseAddress)
        }
    }

    /// float64, row-major.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be written.
    public func writeDoubles(_ name: String, shape: [Int], _ values: UnsafePointer<Double>) throws {
        try write(name, shape: shape, stored: kairos_h5t_ieee_f64le(), given: kairos_h5t_native_double(), values)
    }
    /// float64, row-major; without a shape, of one dimension.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be written, or the values are not as many as the shape has.
    public func writeDoubles(_ name: String, shape: [Int]? = nil, _ values: [Double]) throws {
        try requireCount(values.count, shape ?? [values.count], name)
        try values.withUnsafeBufferPointer {
            try write(name, shape: shape ?? [values.count], stored: kairos_h5t_ieee_f64le(), given: kairos_h5t_native_double(), $0.baseAddress)
        }
    }

    /// int64, row-major.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be written, or the values are not as many as the shape has.
    public func writeInts(_ name: String, shape: [Int]? = nil, _ values: [Int]) throws {
        try requireCount(values.count, shape ?? [values.count], name)
        try values.withUnsafeBufferPointer {
            try write(name, shape: shape ?? [values.count], stored: kairos_h5t_std_i64le(), given: kairos_h5t_native_int64(), $0.baseAddress)
        }
    }

    /// UTF-8 text, one string per entry, each filled up with zeros to the longest.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be written.
    public func writeStrings(_ name: String, _ values: [String]) throws {
        let length = max(values.map(\.utf8.count).max() ?? 1, 1)
        var bytes = [UInt8](repeating: 0, count: length * values.count)
        for (index, value) in values.enumerated() {
            for (offset, byte) in value.utf8.enumerated() { bytes[index * length + offset] = byte }
        }
        try HDF5Library.locked {
            let type = HDF5Types.string(length: length)
            defer { H5Tclose(type) }
            try bytes.withUnsafeBytes { try write(name, shape: [values.count], stored: type, given: type, $0.baseAddress) }
        }
    }

    /// Unsigned bytes.
    ///
    /// - Throws: `Failure` (`.failed`) when it cannot be written.
    public func writeBytes(_ name: String, _ values: [UInt8]) throws {
        try values.withUnsafeBytes {
            try write(name, shape: [values.count], stored: kairos_h5t_std_u8le(), given: kairos_h5t_native_uint8(), $0.baseAddress)
        }
    }

    // MARK: Reading

    /// Floats of any width, as float32.
    ///
    /// - Throws: `Failure.badInput` when there is no such dataset, it holds something else, or it cannot be read.
    public func readFloats(_ name: String) throws -> [Float] {
        try read(name, as: kairos_h5t_native_float(), initial: Float(0), expected: "floats") { $0 == H5T_FLOAT }
    }
    /// Floats of any width, as float64.
    ///
    /// - Throws: `Failure.badInput` when there is no such dataset, it holds something else, or it cannot be read.
    public func readDoubles(_ name: String) throws -> [Double] {
        try read(name, as: kairos_h5t_native_double(), initial: 0.0, expected: "floats") { $0 == H5T_FLOAT }
    }
    /// Integers of any width.
    ///
    /// - Throws: `Failure.badInput` when there is no such dataset, it holds something else, or it cannot be read.
    public func readInts(_ name: String) throws -> [Int] {
        try read(name, as: kairos_h5t_native_int64(), initial: 0, expected: "integers") { $0 == H5T_INTEGER || $0 == H5T_ENUM }
    }
    /// Integers of any width, as bytes.
    ///
    /// - Throws: `Failure.badInput` when there is no such dataset, it holds something else, or it cannot be read.
    public func readBytes(_ name: String) throws -> [UInt8] {
        try read(name, as: kairos_h5t_native_uint8(), initial: UInt8(0), expected: "bytes") { $0 == H5T_INTEGER }
    }

    /// Text, of fixed or variable length.
    ///
    /// - Throws: `Failure.badInput` when there is no such dataset, it holds something else, or it cannot be read.
    public func readStrings(_ name: String) throws -> [String] {
        try withDataset(name, expected: "text", accepts: { $0 == H5T_STRING }) { dataset, type, space, count in
            try Self.strings(count: count, type: type, space: space) { memory, buffer in
                H5Dread(dataset, memory, kairos_h5s_all(), kairos_h5s_all(), kairos_h5p_default(), buffer) >= 0
            } ?? { throw readFailure(name) }()
        }
    }

    // MARK: Parts

    private func requireCount(_ count: Int, _ shape: [Int], _ name: String) throws {
        guard count == shape.reduce(1, *) else {
            throw Failure.failed(
                "\(count) values were given for the shape \(shape)", at: .file(path), .dataset(name), advice: "report this as a fault of the program")
        }
    }

    private func write(_ name: String, shape: [Int], stored: hid_t, given: hid_t, _ values: UnsafeRawPointer?) throws {
        try HDF5Library.locked {
            let dataset = try createDataset(name, shape: shape, type: stored)
            defer { H5Dclose(dataset) }
            guard shape.reduce(1, *) > 0 else { return }
            guard let values, H5Dwrite(dataset, given, kairos_h5s_all(), kairos_h5s_all(), kairos_h5p_default(), values) >= 0 else {
                throw writeFailure("written", name)
            }
        }
    }

    /// A dataset, contiguous or in chunks, allocated at once, without a time stamp: equal contents make equal files. Call with the lock held; close
    /// with `H5Dclose`.
    func createDataset(_ name: String, shape: [Int], type: hid_t, chunk: [Int]? = nil) throws -> hid_t {
        let space = Self.space(shape: shape)
        let links = H5Pcreate(kairos_h5p_link_create())
        let creation = H5Pcreate(kairos_h5p_dataset_create())
        defer {
            H5Sclose(space)
            H5Pclose(links)
            H5Pclose(creation)
        }
        _ = H5Pset_create_intermediate_group(links, 1)
        _ = H5Pset_obj_track_times(creation, false)
        if let chunk {
            _ = H5Pset_chunk(creation, Int32(chunk.count), chunk.map { hsize_t($0) })
        } else {
            _ = H5Pset_layout(creation, H5D_CONTIGUOUS)
        }
        _ = H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY)
        _ = H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER)
        let dataset = H5Dcreate2(id, name, type, space, links, creation, kairos_h5p_default())
        guard dataset >= 0 else { throw writeFailure("written", name) }
        places[name] = Self.placeOfValues(dataset)
        return dataset
    }

    /// The bytes of the file that hold a contiguous dataset's values; nil for others and for empty ones. Call with the lock held.
    func placeOfValues(_ name: String) throws -> Range<Int>? {
        if let known = places[name] { return known }
        let dataset = try openDataset(name)
        defer { H5Dclose(dataset) }
        return Self.placeOfValues(dataset)
    }

    private static func placeOfValues(_ dataset: hid_t) -> Range<Int>? {
        let offset = H5Dget_offset(dataset), count = H5Dget_storage_size(dataset)
        guard offset != haddr_t.max, count > 0 else { return nil }
        return Int(offset)..<Int(offset) + Int(count)
    }

    func requireClass(_ type: hid_t, _ name: String, expected: String, _ accepts: (H5T_class_t) -> Bool) throws {
        guard accepts(H5Tget_class(type)) else {
            throw Failure.badInput(
                "it holds \(HDF5Types.describe(type)), \(expected) were expected", at: .file(path), .dataset(name),
                advice: "check that the file is of the kind expected here")
        }
        guard HDF5Types.isSound(type) else {
            throw Failure.badInput(
                "the type of its values is impossible", at: .file(path), .dataset(name),
                advice: "the file is damaged: copy it again from its source, or make it again")
        }
    }

    /// Opens a dataset whose values are of a class that `accepts` takes and, by its extent and the file's size, may be there.
    private func withDataset<Result>(
        _ name: String, expected: String, accepts: (H5T_class_t) -> Bool,
        _ body: (_ dataset: hid_t, _ type: hid_t, _ space: hid_t, _ count: Int) throws -> Result
    ) throws -> Result {
        try HDF5Library.locked {
            let dataset = try openDataset(name)
            defer { H5Dclose(dataset) }
            let type = H5Dget_type(dataset)
            let space = H5Dget_space(dataset)
            defer {
                H5Tclose(type)
                H5Sclose(space)
            }
            try requireClass(type, name, expected: expected, accepts)
            guard let shape = Self.extent(of: space) else { throw readFailure(name) }
            return try body(dataset, type, space, try count(of: dataset, name, shape: shape, bytesPerValue: H5Tget_size(type)))
        }
    }

    private func read<Value>(
        _ name: String, as memory: hid_t, initial: Value, expected: String, accepts: (H5T_class_t) -> Bool
    ) throws -> [Value] {
        try withDataset(name, expected: expected, accepts: accepts) { dataset, _, _, count in
            var values = [Value](repeating: initial, count: count)
            if values.isEmpty { return values }
            let status = values.withUnsafeMutableBytes {
                H5Dread(dataset, memory, kairos_h5s_all(), kairos_h5s_all(), kairos_h5p_default(), $0.baseAddress)
            }
            guard status >= 0 else { throw readFailure(name) }
            return values
        }
    }

    /// Strings of a dataset or attribute of `type`; `fetch` reads them in the given memory type. `nil` when that fails.
    static func strings(count: Int, type: hid_t, space: hid_t, _ fetch: (hid_t, UnsafeMutableRawPointer) -> Bool) -> [String]? {
        if count == 0 { return [] }
        if H5Tis_variable_str(type) > 0 {
            let memory = HDF5Types.string(length: nil)
            _ = H5Tset_cset(memory, H5Tget_cset(type))
            defer { H5Tclose(memory) }
            var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
            guard pointers.withUnsafeMutableBytes({ $0.baseAddress.map { fetch(memory, $0) } ?? false }) else { return nil }
            let strings = pointers.map { $0.map { String(cString: $0) } ?? "" }
            pointers.withUnsafeMutableBytes { _ = H5Dvlen_reclaim(memory, space, kairos_h5p_default(), $0.baseAddress) }
            return strings
        }
        let length = H5Tget_size(type)
        var bytes = [UInt8](repeating: 0, count: length * count)
        guard bytes.withUnsafeMutableBytes({ $0.baseAddress.map { fetch(type, $0) } ?? false }) else { return nil }
        return (0..<count).map { index in String(decoding: bytes[index * length..<(index + 1) * length].prefix { $0 != 0 }, as: UTF8.self) }
    }
}
