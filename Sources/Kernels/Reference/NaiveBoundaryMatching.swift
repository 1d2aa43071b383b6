/// Reference versions of the kernels on maps: plain loops in double precision, in the order of the definitions.
extension NaiveKernels {
    /// y [maps * target cells, output].
    public static func mapConvolution(_ shape: MapConvolution, _ x: [Float], _ w: [Float], bias: [Float]?, relu: Bool) -> [Float] {
        let inputs = shape.input / shape.groups, outputs = shape.output / shape.groups
        var y: [Float] = []
        for map in 0..<shape.maps {
            for (row, span) in shape.target.spans.enumerated() {
                for column in span {
                    for o in 0..<shape.output {
                        var sum = Double(bias?[o] ?? 0)
                        for tap in 0..<shape.height * shape.width {
                            let r = row + tap / shape.width - shape.height / 2, c = column + tap % shape.width - shape.width / 2
                            guard let place = shape.source.place(row: r, column: c) else { continue }
                            for i in 0..<inputs {
                                sum +=
                                    Double(x[(map * shape.source.count + place) * shape.input + o / outputs * inputs + i])
                                    * Double(w[(tap * inputs + i) * shape.output + o])
                            }
                        }
                        y.append(relu ? max(0, Float(sum)) : Float(sum))
                    }
                }
            }
        }
        return y
    }

    /// The published order: samples [input, N] of every cell first, then the convolution over them. y [maps * target cells, output].
    public static func boundaryMatching(_ shape: BoundaryMatching, _ x: [Float], _ w: [Float], bias: [Float]) -> [Float] {
        let mask = shape.mask, scale = mask.map.scale
        var y: [Float] = []
        for map in 0..<shape.maps {
            for (row, span) in shape.target.spans.enumerated() {
                for column in span {
                    var samples = [Double](repeating: 0, count: mask.samples * shape.input)
                    if let cell = mask.map.valid.place(row: row, column: column) {
                        for entry in Int(mask.begins[cell])..<Int(mask.begins[cell + 1]) {
                            let n = Int(mask.places[entry]) / scale, t = Int(mask.places[entry]) % scale
                            for c in 0..<shape.input {
                                samples[n * shape.input + c] += Double(mask.weights[entry]) * Double(x[(map * scale + t) * shape.input + c])
                            }
                        }
                    }
                    for o in 0..<shape.output {
                        var sum = Double(bias[o])
                        for i in samples.indices { sum += samples[i] * Double(w[i * shape.output + o]) }
                        y.append(max(0, Float(sum)))
                    }
                }
            }
        }
        return y
    }
}
