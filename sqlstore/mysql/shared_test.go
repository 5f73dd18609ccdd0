package mysql

import (
	"testing"

	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

func TestMain(m *testing.M) { sqltest.Main(m, database.Roles()) }

func TestProcesses(t *testing.T)   { database.TestProcesses(t) }
func TestServer(t *testing.T)      { database.TestServer(t) }
func TestNodes(t *testing.T)       { database.TestNodes(t) }
func TestWatch(t *testing.T)       { database.TestWatch(t) }
func TestLog(t *testing.T)         { database.TestLog(t) }
func TestLogOnServer(t *testing.T) { database.TestLogOnServer(t) }

func BenchmarkLookup(b *testing.B)     { database.BenchmarkLookup(b) }
func BenchmarkRecordUses(b *testing.B) { database.BenchmarkRecordUses(b) }
func BenchmarkList(b *testing.B)       { database.BenchmarkList(b) }
func BenchmarkSearch(b *testing.B)     { database.BenchmarkSearch(b) }
func BenchmarkWriteLog(b *testing.B)   { database.BenchmarkWriteLog(b) }
func BenchmarkReadLog(b *testing.B)    { database.BenchmarkReadLog(b) }
