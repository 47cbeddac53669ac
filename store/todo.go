package store

// OpenBolt opens or makes the bbolt file at path.
func OpenBolt(path string, o Options) (Store, error) { panic("being written") }

// OpenMemory makes a store that lives and dies with the process.
func OpenMemory(o Options) (Store, error) { panic("being written") }

// OpenKEK opens the KEK that a URI names: file:PATH (relative to dataDir) or
// env:NAME.
func OpenKEK(uri, dataDir string) (KEK, error) { panic("being written") }

// OpenFileKEK reads the KEK in the file at path.
func OpenFileKEK(path string) (KEK, error) { panic("being written") }

// CreateFileKEK makes a KEK in a new file at path.
func CreateFileKEK(path string) (KEK, error) { panic("being written") }
