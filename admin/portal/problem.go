package portal

import (
	"errors"

	"github.com/weighbridge/weighbridge/admin"
)

// asProblem is what the API said, where err is that.
func asProblem(err error) (*admin.Problem, bool) { return errors.AsType[*admin.Problem](err) }
