import Kernels

/// target[i] += source[i], on this process's threads.
func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    let began = KernelCounter.begin()
    defer { KernelCounter.end(began, .reduction, operations: count, bytes: 12 * count) }
    let line = GradientBuckets.line
    Threads.overRanges((count + line - 1) / line, grain: 4_096) { lines in
        for i in lines.lowerBound * line..<min(count, lines.upperBound * line) { target[i] += source[i] }
    }
}

/// Does the additions between slots, `count` elements each, block by block so that a block stays in the cache from one addition to the next.
func add(_ additions: [SummationTree.Addition], slots: [UnsafeMutablePointer<Float>], count: Int) {
    guard !additions.isEmpty else { return }
    let began = KernelCounter.begin()
    defer { KernelCounter.end(began, .reduction, operations: additions.count * count, bytes: 12 * additions.count * count) }
    let block = 4_096
    Threads.overRanges((count + block - 1) / block, grain: 16) { blocks in
        for number in blocks {
            let first = number * block
            let length = min(block, count - first)
            for addition in additions {
                let target = slots[addition.into] + first
                let source = slots[addition.from] + first
                for i in 0..<length { target[i] += source[i] }
            }
        }
    }
}
