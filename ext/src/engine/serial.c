/*
 * What serialize() and unserialize() keep in PHP's basic globals while they run; see serial.rs.
 *
 * Rust has no binding for that struct, and its layout is PHP's to change (8.5 put a field in before these): so the C
 * compiler finds them.
 */

#include "php.h"
#include "ext/standard/basic_functions.h"

struct running {
	unsigned lock;
	struct {
		void *data;
		unsigned level;
	} serialize, unserialize;
};

#define FROM_LOCK(member) (offsetof(php_basic_globals, member) - offsetof(php_basic_globals, serialize_lock))
_Static_assert(offsetof(struct running, serialize.data) == FROM_LOCK(serialize.data), "serial.rs knows them otherwise");
_Static_assert(offsetof(struct running, serialize.level) == FROM_LOCK(serialize.level), "serial.rs knows them otherwise");
_Static_assert(offsetof(struct running, unserialize.data) == FROM_LOCK(unserialize.data), "serial.rs knows them otherwise");
_Static_assert(offsetof(struct running, unserialize.level) == FROM_LOCK(unserialize.level), "serial.rs knows them otherwise");

struct running *rustdaemon_running(void)
{
	return (struct running *) &BG(serialize_lock);
}
