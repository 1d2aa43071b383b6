import CHDF5
import Diagnostics
import Foundation

/// Attributes of an object: a dataset's or group's name, "" or "/" for the root.
extension HDF5File {
    // MARK: Writing (an attribute that exists is replaced)

    /// Writes a float64.
    ///
    /// - Throws: `Failure`: `.badInput` when there is no such object, `.failed` when the attribute cannot be written.
    public func setAttribute(of object: String, named name: String, _ value: Double) throws {
        var value = value
        try writeAttribute(object, name, shape: [], stored: kairos_h5t_ieee_f64le(), given: kairos_h5t_native_double(), &value)
    }
    /// Writes an int64.
    ///
    /// - Throws: `Failure`: `.badInput` when there is no such object, `.failed` when the attribute cannot be written.
    public func setAttribute(of object: String, named name: String, _ value: Int) throws {
        var value = value
        try writeAttribute(object, name, shape: [], stored: kairos_h5t_std_i64le(), given: kairos_h5t_native_int64(), &value)
    }
    /// Writes an array of float64.
    ///
    /// - Throws: `Failure`: `.badInput` when there is no such object, `.failed` when the attribute cannot be written.
    public func setAttribute(of object: String, named name: String, _ value: [Double]) throws {
        try value.withUnsafeBytes {
            try writeAttribute(object, name, shape: [value.count], stored: kairos_h5t_ieee_f64le(), given: kairos_h5t_native_double(), $0.baseAddress)
        }
    }
    /// Writes an array of int64.
    ///
    /// - Throws: `Failure`: `.badInput` when there is no such object, `.failed` when the attribute cannot be written.
    public func setAttribute(of object: String, named name: String, _ value: [Int]) throws {
        try value.withUnsafeBytes {
            try writeAttribute(object, name, shape: [value.count], stored: kairos_h5t_std_i64le(), given: kairos_h5t_native_int64(), $0.baseAddress)
        }
    }
    /// A boolean as h5py writes it.
    ///
    /// - Throws: `Failure`: `.badInput` when there is no such object, `.failed` when the attribute cannot be written.
    public func setAttribute(of object: String, named name: String, _ value: Bool) throws {
        var byte: Int8 = value ? 1 : 0
        try HDF5Library.locked {
            let type = HDF5Types.bool()
            defer { H5Tclose(type) }
            try writeAttribute(object, name, shape: [], stored: type, given: type, &byte)
        }
    }
    /// Text of variable length, UTF-8: a `str` in h5py.
    ///
    /// - Throws: `Failure`: `.badInput` when there is no such object, `.failed` when the attribute cannot be written.
    public func setAttribute(of object: String, named name: String, _ value: String) throws {
        try HDF5Library.locked {
            let type = HDF5Types.string(length: nil)
            defer { H5Tclose(type) }
            try value.withCString { text in
                var pointer: UnsafePointer<CChar>? = text
                try writeAttribute(object, name, shape: [], stored: type, given: type, &pointer)
            }
        }
    }

    // MARK: Reading

    /// Whether the object is there and has the attribute.
    public func hasAttribute(of object: String, named name: String) -> Bool {
        HDF5Library.locked {
            guard let opened = try? openObject(object) else { return false }
            defer { H5Oclose(opened) }
            return H5Aexists(opened, name) > 0
        }
    }

    /// The names of an object's attributes, sorted.
    ///
    /// - Throws: `Failure.badInput` when there is no such object.
    public func attributeNames(of object: String) throws -> [String] {
        try HDF5Library.locked {
            let opened = try openObject(object)
            defer { H5Oclose(opened) }
            var names: [String] = []
            withUnsafeMutablePointer(to: &names) { pointer in
                var position: hsize_t = 0
                _ = H5Aiterate2(
                    opened, H5_INDEX_NAME, H5_ITER_INC, &position,
                    { _, name, _, data in
                        if let name { data?.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name)) }
                        return 0
                    }, pointer)
            }
            return names.sorted()
        }
    }

    /// A number; integers are converted.
    ///
    /// - Throws: `Failure.badInput` when there is no such attribute, or it does not hold one number.
    public func doubleAttribute(of object: String, named name: String) throws -> Double {
        let values = try doublesAttribute(of: object, named: name)
        return try single(values, object, name)
    }
    /// A whole number.
    ///
    /// - Throws: `Failure.badInput` when there is no such attribute, or it does not hold one integer.
    public func intAttribute(of object: String, named name: String) throws -> Int {
        let values = try intsAttribute(of: object, named: name)
        return try single(values, object, name)
    }
    /// A boolean; every number but 0 is true.
    ///
    /// - Throws: `Failure.badInput` when there is no such attribute, or it does not hold one boolean or integer.
    public func boolAttribute(of object: String, named name: String) throws -> Bool {
        let values = try intsAttribute(of: object, named: name)
        return try single(values, object, name) != 0
    }
    /// A text, of fixed or variable length.
    ///
    /// - Throws: `Failure.badInput` when there is no such attribute, or it holds no text.
    public func stringAttribute(of object: String, named name: String) throws -> String {
        try withAttribute(object, name) { attribute, type, space, shape in
            guard H5Tget_class(type) == H5T_STRING else {
                throw attributeFailure(object, name, "holds \(HDF5Types.describe(type)), text was expected")
            }
            guard let count = count(of: shape, bytesPerValue: H5Tget_size(type)) else { throw attributeFailure(object, name, "could not be read") }
            let values = Self.strings(count: count, type: type, space: space) { H5Aread(attribute, $0, $1) >= 0 }
            guard let value = values?.first else { throw attributeFailure(object, name, "could not be read") }
            return value
        }
    }
    /// All numbers, row-major; integers are converted.
    ///
    /// - Throws: `Failure.badInput` when there is no such attribute, or it holds no numbers.
    public func doublesAttribute(of object: String, named name: String) throws -> [Double] {
        try withAttribute(object, name) { attribute, type, _, shape in
            guard [H5T_FLOAT, H5T_INTEGER].contains(H5Tget_class(type)) else {
                throw attributeFailure(object, name, "holds \(HDF5Types.describe(type)), numbers were expected")
            }
            return try readAttribute(attribute, type, kairos_h5t_native_double(), Double(0), shape, object, name)
        }
    }
    /// All integers (or booleans), row-major.
    ///
    /// - Throws: `Failure.badInput` when there is no such attribute, or it holds no integers.
    public func intsAttribute(of object: String, named name: String) throws -> [Int] {
        try withAttribute(object, name) { attribute, type, _, shape in
            guard [H5T_INTEGER, H5T_ENUM].contains(H5Tget_class(type)) else {
                throw attributeFailure(object, name, "holds \(HDF5Types.describe(type)), integers were expected")
            }
            return try readAttribute(attribute, type, kairos_h5t_native_int64(), 0, shape, object, name)
        }
    }

    // MARK: Parts

    private func attributeFailure(_ object: String, _ name: String, _ what: String) -> Failure {
        let place = object.isEmpty || object == "/" ? "the root" : "'\(object)'"
        return .badInput("the attribute '\(name)' of \(place) \(what)", at: .file(path), advice: "check that the file is of the kind expected here")
    }

    private func single<Value>(_ values: [Value], _ object: String, _ name: String) throws -> Value {
        guard values.count == 1 else { throw attributeFailure(object, name, "holds \(values.count) values, one was expected") }
        return values[0]
    }

    private func withAttribute<Result>(_ object: String, _ name: String, _ body: (hid_t, hid_t, hid_t, [Int]) throws -> Result) throws -> Result {
        try HDF5Library.locked {
            let opened = try openObject(object)
            defer { H5Oclose(opened) }
            guard H5Aexists(opened, name) > 0 else { throw attributeFailure(object, name, "is missing") }
            let attribute = H5Aopen(opened, name, kairos_h5p_default())
            guard attribute >= 0 else { throw attributeFailure(object, name, "could not be opened") }
            let type = H5Aget_type(attribute)
            let space = H5Aget_space(attribute)
            defer {
                H5Tclose(type)
                H5Sclose(space)
                H5Aclose(attribute)
            }
            guard let shape = Self.extent(of: space), HDF5Types.isSound(type) else { throw attributeFailure(object, name, "could not be read") }
            return try body(attribute, type, space, shape)
        }
    }

    private func readAttribute<Value>(
        _ attribute: hid_t, _ type: hid_t, _ memory: hid_t, _ initial: Value, _ shape: [Int], _ object: String, _ name: String
    ) throws -> [Value] {
        guard let count = count(of: shape, bytesPerValue: H5Tget_size(type)) else { throw attributeFailure(object, name, "could not be read") }
        var values = [Value](repeating: initial, count: count)
        if values.isEmpty { return values }
        guard values.withUnsafeMutableBytes({ H5Aread(attribute, memory, $0.baseAddress) }) >= 0 else {
            throw attributeFailure(object, name, "could not be read: \(HDF5Library.lastError())")
        }
        return values
    }

    private func writeAttribute(_ object: String, _ name: String, shape: [Int], stored: hid_t, given: hid_t, _ value: UnsafeRawPointer?) throws {
        try HDF5Library.locked {
            let opened = try openObject(object)
            defer { H5Oclose(opened) }
            if H5Aexists(opened, name) > 0 { H5Adelete(opened, name) }
            let space = Self.space(shape: shape)
            defer { H5Sclose(space) }
            let attribute = H5Acreate2(opened, name, stored, space, kairos_h5p_default(), kairos_h5p_default())
            guard attribute >= 0 else { throw writeFailure("given the attribute '\(name)'", object) }
            defer { H5Aclose(attribute) }
            guard shape.reduce(1, *) > 0 else { return }
            guard let value, H5Awrite(attribute, given, value) >= 0 else { throw writeFailure("given the attribute '\(name)'", object) }
        }
    }
}
