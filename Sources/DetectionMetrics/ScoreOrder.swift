/// The order of scores from high to low in which detections claim their ground truth.
///
/// Equal scores need a rule, since average precision depends on who comes first. The published evaluation says `argsort()[::-1]`, whose order
/// of equal numbers is an accident of NumPy's vectorised sort; published numbers contain it. So the same is done here: an ascending sort
/// by the network and the partition that NumPy (2.x, AVX-512) runs, read backwards. The order depends on the scores alone, on no processor,
/// and for up to 256 scores it is NumPy's on AVX2 as well.
public func descendingOrder(_ scores: [Double]) -> [Int] {
    var sort = NetworkQuickSort(keys: scores)
    sort.sort(0..<scores.count, roundsLeft: 2 * (Int.bitWidth - 1 - max(1, scores.count).leadingZeroBitCount))
    return sort.order.reversed()
}

/// Quicksort of indices by their keys over blocks of eight lanes, ended by bitonic networks.
private struct NetworkQuickSort {
    let keys: [Double]
    var order: [Int]
    private static let lanes = 8
    private static let unrolled = 4

    init(keys: [Double]) {
        self.keys = keys
        order = Array(keys.indices)
    }

    mutating func sort(_ range: Range<Int>, roundsLeft: Int) {
        if range.count < 2 { return }
        if range.count <= 256 { return sortByNetwork(range) }
        guard roundsLeft > 0 else {
            let keys = keys
            let sorted = order[range].sorted { (keys[$0], $0) < (keys[$1], $1) }
            order.replaceSubrange(range, with: sorted)
            return
        }
        let size = (range.count - 1) / 8
        let pivot = (1...8).map { keys[order[range.lowerBound + $0 * size]] }.sorted()[4]
        var smallest = pivot, biggest = pivot
        for index in order[range] {
            smallest = min(smallest, keys[index])
            biggest = max(biggest, keys[index])
        }
        let middle = partition(range, by: pivot)
        if pivot != smallest { sort(range.lowerBound..<middle, roundsLeft: roundsLeft - 1) }
        if pivot != biggest { sort(middle..<range.upperBound, roundsLeft: roundsLeft - 1) }
    }

    /// Batcher's bitonic network on a power of two of at least eight places; what is missing counts as infinite.
    private mutating func sortByNetwork(_ range: Range<Int>) {
        var size = Self.lanes
        while size < range.count { size *= 2 }
        var places = Array(order[range]).map { (key: keys[$0], index: $0) }
        places += Array(repeating: (key: .infinity, index: Int.max), count: size - places.count)
        func compare(_ i: Int, _ j: Int) { if places[i].key > places[j].key { places.swapAt(i, j) } }
        var block = 2
        while block <= size {
            for start in stride(from: 0, to: size, by: block) {
                for i in 0..<block / 2 { compare(start + i, start + block - 1 - i) }
            }
            var distance = block / 4
            while distance >= 1 {
                for start in stride(from: 0, to: size, by: 2 * distance) {
                    for i in start..<start + distance { compare(i, i + distance) }
                }
                distance /= 2
            }
            block *= 2
        }
        order.replaceSubrange(range, with: places[0..<range.count].map(\.index))
    }

    /// Keys below the pivot to the left, others to the right; returns where the right part begins. Groups of blocks are read from the side
    /// with less room between what is read and what is written; the outermost groups come last.
    private mutating func partition(_ range: Range<Int>, by pivot: Double) -> Int {
        let group = Self.lanes * Self.unrolled
        var left = range.lowerBound, right = range.upperBound
        for _ in 0..<range.count % group {
            if keys[order[left]] < pivot {
                left += 1
            } else {
                right -= 1
                order.swapAt(left, right)
            }
        }
        guard left < right else { return left }
        let first = Array(order[left..<left + group]), last = Array(order[right - group..<right])
        var writeLeft = left, writeRight = right
        left += group
        right -= group
        func write(_ indices: [Int]) {
            for block in stride(from: 0, to: group, by: Self.lanes) {
                let lane = indices[block..<block + Self.lanes]
                let below = lane.filter { keys[$0] < pivot }, others = lane.filter { !(keys[$0] < pivot) }
                order.replaceSubrange(writeLeft..<writeLeft + below.count, with: below)
                order.replaceSubrange(writeRight - others.count..<writeRight, with: others)
                writeLeft += below.count
                writeRight -= others.count
            }
        }
        while left < right {
            if writeRight - right < left - writeLeft {
                right -= group
                write(Array(order[right..<right + group]))
            } else {
                let indices = Array(order[left..<left + group])
                left += group
                write(indices)
            }
        }
        write(first)
        write(last)
        return writeLeft
    }
}
