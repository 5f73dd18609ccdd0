package apikey

import (
	"encoding/binary"
	"hash/crc32"
)

// checksum is the CRC-32 (IEEE 802.3) of text. The standard library has it too, but
// takes the last eight bytes of so short a text one by one, and nearly three times as
// long in all: see BenchmarkChecksum.
func checksum(text string) uint32 {
	b, sum := asBytes(text), ^uint32(0)
	t := &checksumTables
	for ; len(b) >= 8; b = b[8:] {
		word := binary.LittleEndian.Uint64(b)
		// Half of it does not have to wait for the sum of what is before.
		later := t[3][byte(word>>32)] ^ t[2][byte(word>>40)] ^ t[1][byte(word>>48)] ^ t[0][byte(word>>56)]
		sum ^= uint32(word)
		sum = later ^ t[7][byte(sum)] ^ t[6][byte(sum>>8)] ^ t[5][byte(sum>>16)] ^ t[4][byte(sum>>24)]
	}
	for _, c := range b {
		sum = t[0][byte(sum)^c] ^ sum>>8
	}
	return ^sum
}

// checksumTables hold what a byte adds to the sum when 0 to 7 others have come after it.
var checksumTables = func() (tables [8]crc32.Table) {
	tables[0] = *crc32.IEEETable
	for after := 1; after < len(tables); after++ {
		for c, sum := range tables[after-1] {
			tables[after][c] = tables[0][byte(sum)] ^ sum>>8
		}
	}
	return tables
}()

// isMistyped reports whether text has exactly the shape of a generated key, of
// whatever prefix, and a wrong checksum. Such a text was never issued.
func isMistyped(text string) bool {
	prefix := len(text) - randomDigits - sumDigits - 1
	if prefix < 1 || text[prefix] != '_' || !isPrefix(text[:prefix]) {
		return false
	}
	sum := uint64(0)
	for _, c := range []byte(text[len(text)-sumDigits:]) {
		sum = sum*uint64(len(base62)) + uint64(digits62of[c])
	}
	return sum != uint64(checksum(text[:len(text)-sumDigits])) && areDigits62(text[prefix+1:])
}

func areDigits62(text string) bool {
	b, other := asBytes(text), uint64(0)
	for ; len(b) >= 8; b = b[8:] {
		other |= unlikeDigits62(binary.LittleEndian.Uint64(b))
	}
	for _, c := range b {
		other |= uint64(digits62of[c] & noDigit)
	}
	return other == 0
}

// unlikeDigits62 returns bits where one of eight bytes is no digit of base62. With its
// high bit set, a byte less another keeps it if it is at least as large.
func unlikeDigits62(bytes uint64) uint64 {
	digits, letters := bytes|eachHighBit, bytes|eachHighBit|eachByte*('a'-'A')
	isDigit := (digits - eachByte*'0') &^ (digits - eachByte*('9'+1))
	isLetter := (letters - eachByte*'a') &^ (letters - eachByte*('z'+1))
	return (bytes | ^(isDigit | isLetter)) & eachHighBit
}

// noDigit has a bit that no digit of base62 has.
const noDigit = 64

// digits62of holds the value of each digit of base62, and noDigit for other bytes.
var digits62of = func() (values [256]byte) {
	for i := range values {
		values[i] = noDigit
	}
	for value := range len(base62) {
		values[base62[value]] = byte(value)
	}
	return values
}()
