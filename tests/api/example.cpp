// SPDX-License-Identifier: MIT
// The same from C++: the model in a unique_ptr, the answer collected by a lambda.
#include <wattle.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace
{
struct Closer {
    void operator()(wattle_model *model) const { wattle_model_close(&model); }
};
using Model = std::unique_ptr<wattle_model, Closer>;

Model open(const std::string &path)
{
    char error[512];
    wattle_model *model = nullptr;
    wattle_model_options options{};
    options.path = path.c_str();
    options.context = 256;
    if (wattle_model_open(&model, &options, error, sizeof error))
        throw std::runtime_error(error);
    return Model(model);
}

std::string ask(wattle_model *model, const std::string &question)
{
    char error[512];
    std::string text;
    wattle_message message{"user", question.c_str()};
    wattle_request request;
    wattle_request_init(&request);
    request.messages = &message;
    request.n_messages = 1;
    request.sampling.temperature = 0;
    request.max_new_tokens = 16;
    request.context = &text;
    request.on_text = [](void *context, const char *piece, size_t bytes) {
        static_cast<std::string *>(context)->append(piece, bytes);
    };
    wattle_result result;
    int code = wattle_generate(model, &request, &result, error, sizeof error);
    if (code == WATTLE_EUNSUPPORTED)
        return {};
    if (code)
        throw std::runtime_error(error);
    bool same = text == result.text;
    wattle_result_release(&result);
    if (!same)
        throw std::runtime_error("the pieces are not the text");
    return text;
}
} // namespace

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::cout << "libwattle " << wattle_version() << ": example MODEL\n";
        return 2;
    }
    try {
        Model model = open(argv[1]);
        std::cout << ask(model.get(), "What is a sensor?") << '\n';
    } catch (const std::exception &e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
    return 0;
}
