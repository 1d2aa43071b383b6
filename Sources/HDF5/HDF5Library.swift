import CHDF5
import Diagnostics
import Foundation

/// What every use of the C library shares: one lock (the library as Debian builds it is not thread-safe), its own error printing silenced,
/// and its error stack as text.
enum HDF5Library {
    private static let lock = NSRecursiveLock()
    // Safe: used with `lock` held.
    nonisolated(unsafe) private static var isReady = false

    /// Runs `body` while no other thread is inside the library.
    static func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        if !isReady {
            // At exit the library would close again what it could not close before (a full disk), and crash: writers close their files themselves.
            // Must be the first call; the library's constants (`kairos_h5f_acc_rdonly()` and the like) are calls too.
            _ = H5dont_atexit()
            _ = H5open()
            _ = H5Eset_auto2(kairos_h5e_default(), nil, nil)
            isReady = true
        }
        return try body()
    }

    /// The innermost entry of the library's error stack, which says what really went wrong ("unable to open file", "truncated file: ...").
    static func lastError() -> String {
        let text = lastEntry()
        return text.isEmpty ? "no reason given" : systemReason(in: text) ?? text
    }

    /// That entry as the library words it; empty when there is none.
    static func lastEntry() -> String {
        var text = ""
        withUnsafeMutablePointer(to: &text) { pointer in
            _ = H5Ewalk2(
                kairos_h5e_default(), H5E_WALK_UPWARD,
                { position, entry, data in
                    if position == 0, let entry, let description = entry.pointee.desc {
                        data?.assumingMemoryBound(to: String.self).pointee = String(cString: description)
                    }
                    return 0
                }, pointer)
        }
        return text
    }

    /// The operating system's words ("No space left on device") in an entry that also holds times and addresses.
    private static func systemReason(in text: String) -> String? {
        guard let begin = text.range(of: "error message = '") else { return nil }
        guard let end = text.range(of: "'", range: begin.upperBound..<text.endIndex) else { return nil }
        return String(text[begin.upperBound..<end.lowerBound])
    }
}

/// Datatypes that the library offers no constant for; the caller closes them with `H5Tclose`.
enum HDF5Types {
    /// `<f2` of NumPy: 1 sign bit, 5 exponent bits (bias 15), 10 mantissa bits.
    static func half() -> hid_t {
        let type = H5Tcopy(kairos_h5t_ieee_f32le())
        _ = H5Tset_fields(type, 15, 10, 5, 0, 10)
        _ = H5Tset_size(type, 2)
        _ = H5Tset_ebias(type, 15)
        return type
    }

    /// UTF-8 text, filled up with zeros to `length` bytes; `nil` for variable length.
    static func string(length: Int?) -> hid_t {
        let type = H5Tcopy(kairos_h5t_c_s1())
        _ = H5Tset_size(type, length.map { max($0, 1) } ?? kairos_h5t_variable())
        _ = H5Tset_cset(type, H5T_CSET_UTF8)
        _ = H5Tset_strpad(type, length == nil ? H5T_STR_NULLTERM : H5T_STR_NULLPAD)
        return type
    }

    /// The enumeration FALSE = 0, TRUE = 1 over one byte, as h5py writes booleans.
    static func bool() -> hid_t {
        let type = H5Tenum_create(kairos_h5t_native_int8())
        var no: Int8 = 0
        var yes: Int8 = 1
        _ = H5Tenum_insert(type, "FALSE", &no)
        _ = H5Tenum_insert(type, "TRUE", &yes)
        return type
    }

    /// A datatype in words.
    static func describe(_ type: hid_t) -> String {
        let bits = H5Tget_size(type) * 8
        switch H5Tget_class(type) {
        case H5T_INTEGER: return "\(bits)-bit integers"
        case H5T_FLOAT: return "\(bits)-bit floats"
        case H5T_STRING: return "text"
        case H5T_ENUM: return "an enumeration"
        case H5T_COMPOUND: return "compound values"
        default: return "values of another type"
        }
    }
}
