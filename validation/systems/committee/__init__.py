"""Message passing on teacher instances of finite size, against state evolution."""
