// Package apikeytest helps to test what is built on package apikey.
//
// [TestStore] and [TestLookup] are the contracts of package apikey's stores as
// suites of tests, for whoever writes a store:
//
//	func TestMyStore(t *testing.T) {
//		apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
//			return newEmptyStore(t)
//		})
//	}
//
// It imports package testing, so import it from tests only.
package apikeytest
